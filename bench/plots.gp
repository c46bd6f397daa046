# SPDX-License-Identifier: GPL-2.0-only
# Draws a picture of curves. From bench/plots: picture, data, blocks, term, out, title, unit.

if (term eq 'svg') {
	set terminal svg size 900,560 dynamic noenhanced font 'sans,13' background rgb 'white'
} else {
	set terminal pngcairo size 1350,840 noenhanced font 'sans,13' background rgb 'white'
}
set output out
set title title
set ylabel unit
set key outside right top
set grid ytics xtics lc rgb '#dddddd'
set style data linespoints
set logscale y
set format y '%.0f'

# nbread's ways are thick and reddish; the peers are told apart by colour and point.
colour(n) = word('#888888 #1f77b4 #17becf #2ca02c #9467bd #8c564b #bcbd22 #000080 #008080 #5f9ea0 #7f7f00', (n - 1) % 11 + 1)
ours(n) = word('#d62728 #ff7f0e #e377c2 #b22222 #ff4500', (n - 1) % 5 + 1)

if (picture[1:5] eq 'depth') {
	set logscale x 2
	set xlabel 'reads in flight'
	set xtics (1, 2, 4, 8, 16, 32, 64, 128)
	set xrange [0.9:142]
}
if (picture eq 'latency') {
	set xlabel 'share of the reads that are at most so slow, %'
	set xtics ('10' 1, '25' 2, '50' 3, '75' 4, '90' 5, '99' 6, '99.9' 7, '100' 8)
	set xrange [0.8:8.2]
}

stats data using 0 nooutput
name(n) = system(sprintf("grep '^\"' '%s' | sed -n '%dp' | tr -d '\"'", data, n))
mine(n) = name(n)[1:6] eq 'nbread'
rank(n) = system(sprintf("grep '^\"' '%s' | sed -n '1,%dp' | grep -c%s nbread", data, n, mine(n) ? '' : 'v')) + 0
plot for [n=1:blocks] data index (n - 1) using 1:2 \
	title name(n) noenhanced lw (mine(n) ? 3 : 1.4) pt (n % 13 + 1) ps 0.8 \
	lc rgb (mine(n) ? ours(rank(n)) : colour(rank(n)))

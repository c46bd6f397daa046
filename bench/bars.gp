# SPDX-License-Identifier: GPL-2.0-only
# Draws what a cached read costs, a panel of bars for each size. From bench/plots: data (the
# start of the files' names), term, out, title, unit.

if (term eq 'svg') {
	set terminal svg size 1100,460 dynamic noenhanced font 'sans,12' background rgb 'white'
} else {
	set terminal pngcairo size 1650,690 noenhanced font 'sans,12' background rgb 'white'
}
set output out
set style fill solid 0.85 noborder
set grid xtics lc rgb '#dddddd'
set border 3
set tics nomirror out
set xtics format '%.0f' rotate by -35
unset key
sizes = '512 4096 65536'
names = '"512 B" "4 KiB" "64 KiB"'

set multiplot layout 1,3 title title font ',14'
do for [i=1:3] {
	file = data.'.'.word(sizes, i)
	set autoscale
	stats file using 2 nooutput
	set xrange [0:STATS_max * 1.28]
	set yrange [-0.7:STATS_records - 0.3]
	set title word(names, i)
	set xlabel unit
	plot file using ($2 / 2):0:($2 / 2):(0.36):($3 > 0 ? 0xd62728 : 0x7f9fbf):ytic(1) with boxxyerror lc rgb variable, \
		file using ($2 + STATS_max * 0.02):0:(sprintf('%.0f', $2)) with labels left font ',10'
}
unset multiplot

#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# Counts the instructions of a trace by function: for bench/profile.
#
#   profile.pl KALLSYMS LOG BEGINS READS NAME OUT
#   profile.pl --table CASE...
#
# LOG     of QEMU's 'log exec,nochain' with one instruction a block
# BEGINS  the function that begins a call of READS reads: what lies between the first and
#         the last time that it begins is counted, whoever does it, and divided by the reads
# OUT     'instructions a read <TAB> what it is spent on <TAB> function', in the order of
#         the functions' first calls; the first line is NAME
use strict;
use warnings;
no warnings 'portable'; # an address has 64 bits

# What a function's instructions are spent on: the first that fits.
my @kinds = (
	[ 'the program'                   => qr/^the program$/ ],
	[ 'workqueue'                     => qr/^(queue_work|__queue_work|insert_work|try_to_grab|process_one_work|worker_|wake_up_worker|wq_worker|pwq_|get_work_pool|set_work_|strscpy|strnlen|kthread_data|move_linked|work_busy|first_idle)/ ],
	[ 'worker: mm, credentials, cgroups' => qr/^(kthread_(un)?use_mm|sync_mm_rss|mmput|membarrier|nb_(un)?use_owner|nb_become|nb_be_one|nb_mm_is|override_creds|revert_creds|get_mem_cgroup_from_mm|kthread_associate|kthread_blkcg)/ ],
	[ 'enter and leave the kernel'    => qr/^(entry_|do_syscall|syscall_|x64_sys|__(x64|do)_sys|exit_to_user|fpregs_|amd_clear|__fdget|__fget_light|do_vfs_ioctl|ksys_|do_preadv|swapgs|restore_regs|sync_regs|error_(entry|return)|native_irq_return)/ ],
	[ 'may it be read: LSM, notify, owner' => qr/^(security_|apparmor_|aa_|tomoyo_|bpf_lsm|rw_verify|fsnotify|nb_file_oracle|nb_file_verify|inode_owner|capable_wrt)/ ],
	[ 'file: find, classify, let go'  => qr/^(fget|fput|nb_file_get|nb_file_put|nb_file_keep|classify|find_listener|choose_way|nb_fm_find|nb_fm_enabled|strcmp|nb_is_stacked|io_(file|assign))/ ],
	[ 'page cache: find, reference'   => qr/^(xas_|xa_|__filemap_get|filemap_get|__rcu_read|folio_mark|next_uptodate|nb_fm_resident)/ ],
	[ 'copy: entries, arguments, data' => qr/^(copy_user|_copy_(from|to)|copy_page_to|copy_folio|page_copy|memcpy|rep_movs|clear_user|__check_object|check_stack)/ ],
	[ 'atime'                         => qr/^(touch_atime|atime_needs|current_time|ktime_get_coarse)/ ],
	[ 'nbread: the read'              => qr/^(nb_fm_|read_round|look_up|nb_cached|nb_dst)/ ],
	[ 'nbread: submit, post, wait'    => qr/^(nb_(?!req|miss|wake|run_ready|punt|complete)|go_round|wait_for_both|available|wake_sleepers|check_spread)/ ],
	[ 'nbread: park, wake, go on'     => qr/^(nb_|go_on|park|arm|step|run_)/ ],
	[ 'the read of the file system'   => qr/^(filemap_|generic_file|ext4_file|do_iter|vfs_|import_iovec|__import|iovec_from|init_sync|__get_task_ioprio|kiocb|force_page|ondemand|page_cache|read_pages|__do_page_cache|ra_|get_init_ra)/ ],
	[ 'io_uring'                      => qr/^(io_|__io_)/ ],
	[ 'memory: folios, requests, lists' => qr/^(folio|__folio|alloc_|__alloc|get_page|free_|__free|rmqueue|kmem_|__kmem|kmalloc|__kmalloc|kfree|mod_|__mod|lru|xas|cgroup|charge|try_charge|mem_cgroup|__mem_cgroup|obj_|refill|prep_|post_alloc|slab|__slab|memset|clear_page|mempool|shuffle|__list|llist|get_obj|uncharge|workingset)/ ],
	[ 'disk: map, bio, queue, complete' => qr/^(ext4_|bio_|__bio|submit_|__submit|blk_|__blk|null_|end_|sbitmap|__sbitmap|dd_|elv_|blkg|blk|mpage|__mpage|crc|jbd|wbt|rq_|should_|update_io|part_|percpu_ref|page_endio|iomap|__blkg|bvec|touch_buffer|bdev|hctx|disk_|hrtimer_start|nvme|virt)/ ],
	[ 'wake and schedule'             => qr/^(schedule|__schedule|pick_|put_prev|set_next|enqueue|dequeue|try_to_wake|ttwu|wake_|__wake|default_wake|autoremove|prepare_to|finish_|update_curr|update_load|__update_load|check_preempt|place_|select_task|psi_|__switch|context_sw|switch_|sched_|cpuacct|reweight|rcu_note|resched|native_load|load_new|enter_lazy|io_schedule|deactivate|activate|check_cfs|account_entity|folio_wait|folio_wake|_raw_spin|native_queued|cpu_idle|do_idle|default_idle|arch_cpu|tick_nohz|nohz|cpuidle|menu_|need_|native_sched_clock|update_rq_clock|update_min_v|update_cfs_g|record_times|clear_buddies|rb_(erase|next|insert)|save_fpregs|__rseq)/ ],
);
my $rest = 'clock, interrupts and the rest';

sub kind
{
	my $name = shift;
	for (@kinds) { return $_->[0] if $name =~ $_->[1] }
	return $rest;
}

sub table
{
	my (@names, %sum, %total);
	for my $file (@_) {
		open(my $f, '<', $file) or die "$file: $!\n";
		chomp(my $name = <$f>);
		push @names, $name;
		while (<$f>) {
			chomp;
			my ($n, undef, $function) = split /\t/;
			my $kind = kind($function);
			$sum{$kind}{$name} += $n;
			$total{$name} += $n;
		}
	}
	my $row = sub { printf '| %s |' . ' %s |' x @names . "\n", @_ };
	$row->('instructions a read', @names);
	$row->('---', map { '---:' } @names);
	for my $kind ((map { $_->[0] } @kinds), $rest) {
		next unless $sum{$kind};
		$row->($kind, map { my $n = $sum{$kind}{$_} // 0; $n < 0.5 ? '' : sprintf('%.0f', $n) } @names);
	}
	$row->('**all**', map { sprintf('%.0f', $total{$_}) } @names);
	return unless $sum{'workqueue'};
	$row->('**all but workqueue, wake and schedule**', map {
		sprintf('%.0f', $total{$_} - ($sum{'workqueue'}{$_} // 0) - ($sum{'wake and schedule'}{$_} // 0))
	} @names);
}

if (@ARGV && $ARGV[0] eq '--table') {
	shift;
	table(@ARGV);
	exit 0;
}

die "usage: profile.pl KALLSYMS LOG BEGINS READS NAME OUT\n" unless @ARGV == 6;
my ($kallsyms, $log, $begins, $reads, $name, $out) = @ARGV;
my (@at, @sym, %by);
open(my $k, '<', $kallsyms) or die "$kallsyms: $!\n";
while (<$k>) {
	my ($addr, $type, $sym) = split;
	push @{$by{hex $addr}}, $sym if $type =~ /[tw]/i && $addr =~ /^ffffffff/;
}
@at = sort { $a <=> $b } keys %by;
@sym = map { $by{$_}[0] } @at;
my ($first) = grep { grep { $_ eq $begins } @{$by{$_}} } @at;
die "the kernel has no function $begins\n" unless $first;

my (%function, %count, %total, @order, @total_order, $calls);
sub function_of
{
	my $pc = shift;
	return 'the program' if $pc < 0xffff800000000000;
	my ($lo, $hi) = (0, scalar @at);
	while ($hi - $lo > 1) {
		my $mid = ($lo + $hi) >> 1;
		if ($at[$mid] <= $pc) { $lo = $mid } else { $hi = $mid }
	}
	return $sym[$lo];
}

open(my $l, '<', $log) or die "$log: $!\n";
while (<$l>) {
	my ($pc) = m{\[[0-9a-f]+/([0-9a-f]+)/} or next;
	if (hex($pc) == $first) {
		# What was counted since the call before is between two: it holds.
		if (defined $calls) {
			$total{$_} += $count{$_} for keys %count;
			$calls++;
		} else {
			$calls = 0;
		}
		%count = ();
	}
	next unless defined $calls;
	my $f = $function{$pc} //= function_of(hex $pc);
	push @total_order, $f unless $count{$f}++ || exists $total{$f};
}
die "$begins did not begin twice\n" unless $calls;
open(my $o, '>', $out) or die "$out: $!\n";
print $o "$name\n";
my %done;
for (@total_order) {
	next if $done{$_}++ || !$total{$_};
	printf $o "%.2f\t%s\t%s\n", $total{$_} / ($calls * $reads), kind($_), $_;
}
close $o;
printf STDERR "%d calls, %.0f instructions a read\n", $calls,
	eval { my $s = 0; $s += $_ for values %total; $s / ($calls * $reads) };

# What Perl asks of a kernel: prints a line per stage, dies at what is wrong.
use strict;
use warnings;
use Errno qw(EAGAIN ENOENT);
use Fcntl qw(:flock :seek O_NONBLOCK F_SETFL);
use IO::Socket::INET;
use List::Util qw(sum shuffle);
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
$| = 1;

sub check { my ($right, $what) = @_; die "wrong: $what\n" unless $right }

my $top = "/tmp/perl$$";
mkdir $top or die;
for my $i (1 .. 50) { open my $out, '>', "$top/f$i" or die; print $out "$i\n" x $i; close $out }
check(sum(map { -s } glob "$top/f*") == sum(map { ($_ > 9 ? 3 : 2) * $_ } 1 .. 50), 'sizes');
open my $both, '+<', "$top/f50" or die;
flock $both, LOCK_EX or die;
seek $both, 6, SEEK_SET;
check(scalar <$both> eq "50\n" && tell $both == 9, 'seek');
truncate $both, 3;
check(-s "$top/f50" == 3, 'truncate');
check(rename("$top/f1", "$top/g") && !-e "$top/f1" && -f "$top/g", 'rename');
check(!open(my $none, '<', "$top/none") && $! == ENOENT, 'ENOENT');
print "files\n";

check(`echo hi; exit 3` eq "hi\n" && $? >> 8 == 3, 'backquotes');
my %children;
for my $i (0 .. 9) {
    my $child = fork // die;
    exit $i if !$child;
    $children{$child} = $i;
}
while ((my $child = wait) > 0) { check($? >> 8 == delete $children{$child}, 'status') }
check(!%children, 'all children');
open my $sort, '|-', "sort -rn > $top/sorted" or die;
print $sort "$_\n" for shuffle 1 .. 1000;
close $sort or die;
open my $from, '-|', 'head', '-n', '2', "$top/sorted" or die;
check(join('', <$from>) eq "1000\n999\n", 'pipes');
print "processes\n";

my @got;
local $SIG{USR1} = sub { push @got, shift };
local $SIG{ALRM} = sub { die "alarm\n" };
kill USR1 => $$;
check("@got" eq 'USR1', 'handler');
eval { alarm 1; select undef, undef, undef, 30; 1 };
check($@ eq "alarm\n", 'alarm');
my $victim = fork // die;
if (!$victim) { sleep 60; exit }
kill KILL => $victim;
waitpid $victim, 0;
check(($? & 127) == 9, 'killed');
print "signals\n";

my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die;
my $port = $server->sockport;
if (!fork) {
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die;
    print $client "line $_\n" for 1 .. 100;
    shutdown $client, 1;
    my $answer = <$client>;
    exit($answer eq "100\n" ? 0 : 1);
}
my $connection = $server->accept or die;
my $lines = () = <$connection>;
print $connection "$lines\n";
close $connection;
wait;
check($? == 0, 'client');
socketpair my $left, my $right, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
fcntl $left, F_SETFL, O_NONBLOCK or die;
check(!defined sysread($left, my $data, 1) && $! == EAGAIN, 'EAGAIN');
syswrite $right, 'x';
vec(my $bits = '', fileno $left, 1) = 1;
check(select($bits, undef, undef, 30) == 1 && sysread($left, $data, 9) == 1, 'select');
print "sockets\n";

my %count;
$count{$_ * 7919 % 1009}++ for 1 .. 20000;
check(keys %count == 1009, 'hash');
my $text = join ' ', map { sprintf '%03x', $_ } 1 .. 2000;
check(($text =~ s/(\w)(\w)(\w)/$3$2$1/g) == 2000 && $text =~ /\A100 200 .* 0d7\z/, 'regex');
check(POSIX::strftime('%F', gmtime 86400 * 365) eq '1971-01-01', 'time');
print "computing\n";
unlink glob "$top/*";
rmdir $top or die;

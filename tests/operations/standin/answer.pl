# Answers the few questions that full_deployment.sh asks of Grafana or Jaeger, so that the script can be run to its end where
# neither can be had. Of traces, Jaeger's stand-in knows whether the names asked for came together with the trace's id.
use strict;
use warnings;
use IO::Select;
use MIME::Base64;
use Socket;

my ($name) = @ARGV;

sub listener {
    my ($port, $host) = @_;
    socket(my $server, PF_INET, SOCK_STREAM, getprotobyname("tcp")) or die $!;
    setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($server, sockaddr_in($port, $host)) or die $!;
    listen($server, 10) or die $!;
    return $server;
}

my $servers = IO::Select->new;
$servers->add(listener(3000, INADDR_LOOPBACK)) if $name eq "grafana";
$servers->add(listener($_, INADDR_ANY)) for $name eq "grafana" ? () : (16686, 4318);
$SIG{TERM} = sub { exit 0 };
$SIG{PIPE} = "IGNORE";

my @traces;
while (1) {
    for my $server ($servers->can_read) {
        accept(my $client, $server) or next;
        answer($client);
        close $client;
    }
}

sub answer {
    my ($client) = @_;
    my ($method, $path, $login, $length, $sent) = ("", "", "", 0, "");
    while (my $line = <$client>) {
        ($method, $path) = ($1, $2) if $line =~ m{^(GET|POST) (\S+)};
        $login = decode_base64($1) if $line =~ m{^Authorization: Basic (\S+)}i;
        $length = $1 if $line =~ m{^Content-Length: (\d+)}i;
        last if $line =~ /^\r?$/;
    }
    read($client, $sent, $length) if $length > 0;
    my ($status, $body) = ("200 OK", "{}");
    if ($name eq "grafana" && $path ne "/api/health" && $login ne "admin:$ENV{GF_SECURITY_ADMIN_PASSWORD}") {
        $status = "401 Unauthorized";
    } elsif ($path =~ m{^/api/search}) {
        my @found;
        for my $file (glob "/etc/monitoring/grafana/dashboards/*.json") {
            open(my $in, "<", $file) or die $!;
            local $/;
            push @found, "{\"uid\":\"$1\"}" if <$in> =~ /"uid": "(iotmon-\w+)"/;
        }
        $body = "[" . join(",", @found) . "]";
    } elsif ($method eq "POST" && $path eq "/v1/traces") {
        push @traces, $sent;
        shift @traces if @traces > 1000;
        $body = "";
    } elsif ($path =~ m{^/api/traces/(\w+)}) {
        my $id = pack("H*", $1);
        my $known = grep { index($_, $id) >= 0 && index($_, "send websocket") >= 0 } @traces;
        ($status, $body) = $known ? ($status, '{"data":[{"spans":[{"operationName":"send websocket"}]}]}') : ("404 Not Found", "{}");
    }
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
}

# Sourced by the scripts that render the Helm chart. Helm's own packages do it; they come from Go's module proxy, checked against Go's checksum
# database.
# shellcheck shell=bash

# chart_flags are the flags of everything that is built in tests/kubernetes, so that what its programs share is compiled once. Without
# optimization, compiling takes a third less.
chart_flags=(-trimpath '-gcflags=...=-N -l' -gcflags=std=)

# provide_chart sets chart to the program of tests/kubernetes/chart. Its first build takes a minute.
provide_chart() {
    local source home
    source=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../tests/kubernetes
    home="${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test"
    chart=$home/chart-$(cat "$source"/go.mod "$source"/chart/*.go | sha256sum | cut -c 1-16)
    if [ -x "$chart" ]; then
        return
    fi
    echo "chart: building Helm's packages" >&2
    mkdir -p "$home"
    (
        flock 7
        [ -x "$chart" ] || GOFLAGS='' GOGC=off GOMEMLIMIT=1GiB CGO_ENABLED=0 go build -C "$source" "${chart_flags[@]}" '-ldflags=-s -w' -o "$chart" ./chart
    ) 7>"$chart.lock" >&2
}

# Sourced by the scripts that provide the servers of the tests that are written in Python: each comes from PyPI, at one version, into
# a virtual environment of its own, which all checkouts of the user share.
# shellcheck shell=bash

# python_version prints the version of a package; it fails if the tests do not use that package.
python_version() {
    case $1 in
    pymodbus) echo 3.16.1 ;;
    pysparkplug) echo 0.6.1 ;;
    asyncua) echo 2.1.0 ;;
    aiosmtpd) echo 1.4.6 ;;
    *) return 1 ;;
    esac
}

python_home() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test/$1-$(python_version "$1")"; }

# can_make_environments reports whether Python can make virtual environments. In Debian that is a package of its own.
can_make_environments() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# provide_python PACKAGE installs a package, once.
provide_python() {
    local home
    home=$(python_home "$1")
    if [ -e "$home/complete" ]; then
        return
    fi
    echo "python: installing $1 $(python_version "$1")" >&2
    mkdir -p "$home"
    (
        flock 7
        [ -e "$home/complete" ] && exit
        python3 -m venv --clear "$home" &&
            "$home/bin/pip" --disable-pip-version-check --quiet install "$1==$(python_version "$1")" && : >"$home/complete"
    ) 7>"$home.lock" >&2
}

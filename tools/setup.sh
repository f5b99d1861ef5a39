# What ./run and ./test share: Debian packages and builds. To be sourced from the repository root.

build_packages="build-essential meson ninja-build pkg-config python3 ca-certificates
    libssl-dev libc-ares-dev libjansson-dev libyaml-dev libsqlite3-dev libpq-dev libboost-context-dev"
# clang with its runtime also for libFuzzer (tests/fuzz/run); gcov, for ./test coverage, comes with build-essential's gcc.
test_packages="$build_packages clang libclang-rt-14-dev clang-format libcmocka-dev python3-venv openssl curl postgresql
    nginx-light haproxy"

say() { printf '%s\n' "$*" >&2; }

package_is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the named Debian packages that are missing; says so before it does.
need_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "This is not Debian: please see to these packages (or their like) yourself:" $*
        return 0
    fi
    local name missing=""
    for name in $*; do
        package_is_installed "$name" || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    local as_root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            say "Missing packages, and no sudo to install them with. As root:"
            say "    apt-get install$missing"
            return 1
        }
        as_root="sudo"
    fi
    say "Installing Debian packages:$missing"
    # A dead mirror of one list must not stop an install that the other lists can serve.
    $as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
    mkdir -p build
    # The tests start their own servers: those that come with the packages shall not take ports meanwhile.
    local policy=/usr/sbin/policy-rc.d is_ours="" status=0
    if [ ! -e $policy ]; then
        is_ours=yes
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod 755 $policy
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing \
        >build/install.log 2>&1 || { tail -n 30 build/install.log >&2; status=1; }
    [ -z "$is_ours" ] || $as_root rm -f $policy
    return $status
}

# build DIR TARGETS OPTIONS...: configures once (again when the options change) and compiles.
# Quiet unless something is wrong.
build() {
    local dir=$1 targets=$2 stamp="$1/.options"
    shift 2
    mkdir -p "$dir"
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$*" ]; then
        if [ -f "$dir/build.ninja" ]; then
            set -- --reconfigure "$@"
        fi
        meson setup "$dir" "$@" >"$dir/.setup.log" 2>&1 || { tail -n 15 "$dir/.setup.log" >&2; return 1; }
        [ "${1:-}" != --reconfigure ] || shift
        printf '%s\n' "$*" >"$stamp"
    fi
    [ "$targets" != none ] || return 0
    # shellcheck disable=SC2086 # a list
    [ "$targets" != all ] || targets=""
    ninja -C "$dir" $targets >"$dir/.build.log" 2>&1 || { sed -n "/FAILED\|ERROR/,\$p" "$dir/.build.log" | tail -n 60 >&2; return 1; }
}

# The program as users run it: optimised, hardened, with symbols for crash reports.
build_release() { build build/release all -Dtests=false -Dbuildtype=debugoptimized -Db_lto=true; }

# The program that a build directory holds.
huntaze_of() { find "$1/src" -maxdepth 2 -name huntaze -type f -perm -u+x | head -n 1; }

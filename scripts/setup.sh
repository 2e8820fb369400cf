#!/bin/sh
# Makes everything the project needs: .venv with the exact versions of constraints.txt, and a few Debian packages.
# Needs Python 3.11 or newer and nothing else. Run again it only checks, in well under a second.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/setup-stamp
# program:package. tesseract reads documents, pdftoppm draws PDFs; chromium (its fonts come with it) looks at the reports in tests/e2e.
PROGRAMS="tesseract:tesseract-ocr pdftoppm:poppler-utils chromium:chromium"

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The first Python that is new enough; PYTHON=... chooses another.
find_python() {
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "found no Python 3.11 or newer; install one (apt-get install python3 on Debian 12) or name it: make setup PYTHON=/path/to/python3.11"
}

fingerprint() {
    cat pyproject.toml constraints.txt scripts/setup.sh | cksum
    pwd # a virtual environment that was moved does not work
}

missing_packages() {
    for pair in $PROGRAMS; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair#*:}"
    done
}

apt_install() {
    echo "setup: installing the Debian packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be missing or old; only then is the long way needed.
    apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; } ||
        fail "could not install the Debian packages above; install them by hand: apt-get install $*"
}

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

install_programs() {
    missing=$(missing_packages)
    [ -z "$missing" ] && return
    if may_install; then
        # shellcheck disable=SC2086  # a list of words
        apt_install $missing
    else
        echo "setup: missing programs (document jobs and browser tests need them); to install: sudo apt-get install -y --no-install-recommends $missing" >&2
    fi
}

make_venv() {
    python=$(find_python) || exit 1
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')
        may_install || fail "$python has no venv module; to install: sudo apt-get install -y $version"
        apt_install "$version"
    fi
    echo "setup: $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
}

# uv reads its own settings but not pip's; hand it pip's package indexes where it has none of its own.
# pip looks at all its indexes for the best version, uv by default only at the first that has the package.
pip_setting() {
    "$VENV/bin/pip" config list 2>/dev/null | sed -n "s/^[^.]*\.$1='\(.*\)'$/\1/p" | tail -n 1
}

adopt_pip_settings() {
    index=$(pip_setting index-url)
    more=$(pip_setting extra-index-url)
    links=$(pip_setting find-links)
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$index}}"; fi
    if [ -n "$more" ]; then
        export UV_INDEX="${UV_INDEX:-${UV_EXTRA_INDEX_URL:-$more}}"
        export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
    fi
    if [ -n "$links" ]; then export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"; fi
}

install_packages() {
    [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt uv
    adopt_pip_settings
    # Byte-compiled: where it is not, every process that Ray starts compiles torch anew (measured: start-up doubles).
    "$VENV/bin/uv" pip install --python "$VENV/bin/python" --compile-bytecode \
        -c constraints.txt --build-constraints constraints.txt -e '.[dev]'
}

if [ ! -f "$STAMP" ] || [ "$(fingerprint)" != "$(cat "$STAMP")" ] || ! "$VENV/bin/python" -c '' 2>/dev/null; then
    rm -f "$STAMP"
    install_packages
    fingerprint >"$STAMP.new"
    mv "$STAMP.new" "$STAMP"
fi
install_programs

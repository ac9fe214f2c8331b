#!/bin/bash
# Proves that nothing but Debian 12 is needed: makes an empty root with debootstrap, clones this tree into it and runs
# ./quickstart --smoke and ./check there. Needs root; takes as long as a cold build (about 30 minutes on two cores).
# The root stays in build/fresh and is reused; remove it to start anew. TROUPE_FRESH_CCACHE=DIR lends it a compiler cache:
# every package is still proven, only the compiling is shorter.
set -euo pipefail
cd "$(dirname "$0")/../.."
. containers/packages.sh
[ "$(id -u)" -eq 0 ] || exec sudo "$0" "$@"
install_packages debootstrap git

readonly ROOT=$PWD/build/fresh
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 | tr -d ' ' || true)
if [ ! -f "$ROOT/etc/debian_version" ]; then
  echo "== debootstrap into build/fresh"
  mkdir -p "$ROOT"
  debootstrap --variant=minbase bookworm "$ROOT" ${mirror:+"$mirror"} >build/debootstrap.log 2>&1 ||
    { tail -n 20 build/debootstrap.log >&2; exit 1; }
  # The way to the registries, and the certificates they show, are this machine's.
  cp -a /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d "$ROOT/etc/apt/" 2>/dev/null || true
  rm -f "$ROOT/etc/apt/sources.list"
  mkdir -p "$ROOT/etc/ssl/certs" "$ROOT/usr/share/keyrings"
  cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
  cp -n /usr/share/keyrings/* "$ROOT/usr/share/keyrings/" 2>/dev/null || true
  [ -f /etc/pip.conf ] && cp /etc/pip.conf "$ROOT/etc/"
fi
cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"

leave() { for mount in ccache dev proc sys; do umount -l "$ROOT/$mount" 2>/dev/null || true; done; }
trap leave EXIT
leave
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys" && mount --make-rslave "$ROOT/sys"
mount --rbind /dev "$ROOT/dev" && mount --make-rslave "$ROOT/dev"
if [ -n "${TROUPE_FRESH_CCACHE:-}" ]; then
  mkdir -p "$ROOT/ccache"
  mount --bind "$TROUPE_FRESH_CCACHE" "$ROOT/ccache"
fi

rm -rf "$ROOT/troupe"
git clone -q . "$ROOT/troupe"
keep=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TROUPE_SHARED_DIR=/shared)
[ -n "${TROUPE_FRESH_CCACHE:-}" ] && keep+=(CCACHE_DIR=/ccache)
while IFS= read -r line; do keep+=("$line"); done < <(env | grep -E '^(PIP_|SSL_|CURL_|REQUESTS_|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)' || true)
if [ -d ../shared ]; then rm -rf "$ROOT/shared"; cp -a ../shared "$ROOT/shared"; fi
inside() { chroot "$ROOT" env -i "${keep[@]}" bash -c "cd /troupe && $1"; }
inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends git ca-certificates >/dev/null'
cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"  # the package has just written its own over it
inside 'git config --global --add safe.directory /troupe && ./quickstart --smoke'
inside './check'

# Debian 12 packages, by what they are for. Read by ./quickstart, ./check and the Containerfile: one list.
# shellcheck shell=bash
BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config ca-certificates python3
  libcaf-dev libboost1.81-dev libboost-json1.81-dev prometheus-cpp-dev libtomlplusplus-dev libcli11-dev libspdlog-dev libutf8proc-dev unicode-data)
MODEL_PACKAGES=(python3 python3-pip unzip ca-certificates)
RUN_PACKAGES=(curl ca-certificates)
TEST_PACKAGES=(git catch2 libsimde-dev libbenchmark-dev clang-tidy clang-format python3-venv python3-jinja2 python3-regex)
ARM_PACKAGES=(g++-aarch64-linux-gnu qemu-user)

# install_packages NAME...: installs what is missing, with sudo only when not root, and says what.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing Debian packages: ${missing[*]}"
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  # Package lists may be old or missing on a machine that was just set up.
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

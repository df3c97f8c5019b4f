# shellcheck shell=bash
# The packages of tools/packages.txt; sourced after common.sh.

# listed_packages GROUP...: the names in these groups, one per line.
listed_packages() {
  awk -v groups=" $* " '
    /^[[:space:]]*(#|$)/ { next }
    /^\[.*\]$/ { wanted = index(groups, " " substr($0, 2, length($0) - 2) " "); next }
    wanted { print $1 }' tools/packages.txt
}

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# install_packages GROUP...: installs what is missing, and touches nothing when nothing is. The only
# step that needs root.
install_packages() {
  local missing=() name as_root=()
  command -v apt-get >/dev/null ||
    die "no apt-get here; install what tools/packages.txt lists, then use cmake --preset release"
  for name in $(listed_packages "$@"); do
    if ! is_installed "$name"; then missing+=("$name"); fi
  done
  if ((${#missing[@]} == 0)); then
    echo "all packages are there"
    return
  fi
  echo "missing: ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2
    --option Acquire::Retries=3 --option Dpkg::Use-Pty=0 --option DPkg::Lock::Timeout=300)
  "${apt[@]}" update </dev/null
  "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" </dev/null
}

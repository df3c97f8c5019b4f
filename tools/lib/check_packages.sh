#!/usr/bin/env bash
# check_packages.sh BUILD_DIR: everything that a finished build used must come from a package that
# tools/packages.txt lists, or that a listed one depends on. What it looks at: every header that the
# compiler read, every program, library and package configuration that CMake found, and the
# commands of the scripts and of the program.
set -euo pipefail
# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tools/lib/packages.sh
source tools/lib/packages.sh

build_dir=$1
commands=(aarch64-linux-gnu-g++ ccache clang-format clang-tidy cmake ctest g++ gnuplot ninja
  pkg-config shellcheck)

headers() {
  # A line of dependencies is indented; the project's own files and the build's are relative or
  # below the source tree.
  ninja -C "$build_dir" -t deps | awk -v root="$PWD/" '
    /^    \// && index($1, root) != 1 { print $1 }'
}

# cached TYPE NAME_REGEX: the absolute paths among these entries of CMake's cache.
cached() {
  sed -nE "s/^$2:$1=(\/.+)\$/\1/p" "$build_dir/CMakeCache.txt"
}

found_by_cmake() {
  local path
  for path in $(cached FILEPATH '[^:]+'); do
    if [[ -f $path && $path != $PWD/* ]]; then echo "$path"; fi
  done
  # A package's configuration is a folder: any one file of it tells the owner.
  for path in $(cached PATH '[A-Za-z0-9_]+_DIR'); do
    find "$path" -maxdepth 1 -name '*.cmake' -print -quit
  done
}

used_files() {
  headers
  found_by_cmake
  local name
  for name in "${commands[@]}"; do
    command -v "$name" || die "the scripts use $name, which is not installed"
  done
}

# The listed packages, all that they depend on, and what every Debian system has.
allowed_packages() {
  local fields
  # shellcheck disable=SC2016  # these are dpkg-query's variables
  fields='${db:Status-Status}\t${Package}\t${Essential}\t${Provides}\t${Pre-Depends}, ${Depends}\n'
  dpkg-query --show --showformat="$fields" |
    awk -F '\t' -v listed="$(listed_packages build run test lint | tr '\n' ' ')" '
      function names(text, out) {
        gsub(/\([^)]*\)|:[a-z0-9]+/, "", text)
        return split(text, out, /[ ,|]+/)
      }
      $1 == "installed" {
        depends[$2] = $5
        count = names($4, out)
        for (i = 1; i <= count; ++i) if (out[i] != "") providers[out[i]] = providers[out[i]] " " $2
        if ($3 == "yes") roots = roots " " $2
      }
      END {
        size = split(listed " " roots, queue, " ")
        for (i = 1; i <= size; ++i) {
          name = queue[i]
          if (name in seen) continue
          seen[name] = 1
          if (name in depends) print name
          count = names(depends[name] " " providers[name], out)
          for (j = 1; j <= count; ++j) if (out[j] != "" && !(out[j] in seen)) queue[++size] = out[j]
        }
      }' | sort -u
}

# owners: for each path read, "PACKAGE<tab>PATH", or "?<tab>PATH". The lists of dpkg are read
# directly: dpkg --search takes minutes for thousands of paths. Old packages list /lib/... where
# the file is now /usr/lib/....
owners() {
  awk '
    function merged(path) { return path ~ /^\/(bin|sbin|lib|lib64)\// ? "/usr" path : path }
    FILENAME == "-" { wanted[merged($0)] = "?"; next }
    (key = merged($0)) in wanted {
      package = FILENAME
      sub(/.*\//, "", package)
      sub(/(:[a-z0-9]+)?\.list$/, "", package)
      wanted[key] = package
    }
    END { for (path in wanted) print wanted[path] "\t" path }' - /var/lib/dpkg/info/*.list
}

used=$(used_files | sort -u | xargs realpath | sort -u | owners | sort)
[[ $(wc -l <<<"$used") -gt 100 ]] || die "$build_dir is not a finished build"
strangers=$(awk -F '\t' 'NR == FNR { allowed[$1] = 1; next } !($1 in allowed)' \
  <(allowed_packages) <(printf '%s\n' "$used"))
if [[ -n $strangers ]]; then
  printf 'Used, but brought by no package of tools/packages.txt (package, file):\n%s\n' \
    "$strangers" >&2
  exit 1
fi
printf '%d files from %d packages, all accounted for\n' "$(wc -l <<<"$used")" \
  "$(cut -f 1 <<<"$used" | sort -u | wc -l)"

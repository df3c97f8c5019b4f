# shellcheck shell=bash
# Checks of the sources that need no run; sourced after common.sh.

source_folders=(cache engine scheduler tools tests bench)

# sources PATTERN...: the files of the source folders whose names match, each ended by a zero byte.
sources() {
  local pattern tests=()
  for pattern in "$@"; do tests+=(-o -name "$pattern"); done
  find "${source_folders[@]}" -type f \( "${tests[@]:1}" \) -print0 | sort -z
}

check_scripts() {
  shellcheck --external-sources tools/quickstart tools/check .ci/run tools/lib/*.sh
}

check_format() {
  sources '*.cc' '*.h' | xargs -0 clang-format --dry-run -Werror
}

# tidy_file BUILD_DIR FILE: its findings, or nothing. A g++ flag that clang does not know is none.
# The sources that a unity build puts into one file are to be included, and looked at.
tidy_file() {
  local findings
  if ! findings=$(clang-tidy --quiet -p "$1" '--warnings-as-errors=*' \
    --checks=-bugprone-suspicious-include \
    --header-filter='/(cache|engine|scheduler|tools|tests|bench)/.*\.(h|cc)$' \
    --extra-arg=-Wno-unknown-warning-option "$2" 2>&1); then
    printf '%s\n' "$findings"
    return 1
  fi
}

# check_tidy BUILD_DIR: everything that its build compiles, largest first.
check_tidy() {
  export -f tidy_file
  sed -nE 's/^ *"file": "(.*)",?$/\1/p' "$1/compile_commands.json" | xargs -d '\n' ls -S |
    tr '\n' '\0' | xargs -0 -P "$(nproc)" -n 1 bash -c 'tidy_file "$@"' tidy_file "$1"
}

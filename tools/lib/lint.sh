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

# forbid_includes FOLDER FORBIDDEN_REGEX: fails if a file of the folder includes such a header.
forbid_includes() {
  local folder=$1 forbidden=$2
  if grep -rnE --include='*.cc' --include='*.h' "^ *# *include *[\"<]$forbidden" "$folder"; then
    echo "the includes above must not be in $folder/ (cache <- engine <- scheduler <- tools)" >&2
    return 1
  fi
}

check_includes() {
  forbid_includes cache '(engine|scheduler|tools|tests|bench)/'
  forbid_includes engine '(scheduler|tools|tests|bench)/'
  forbid_includes scheduler '(tools|tests|bench)/'
  forbid_includes tools '(tests|bench)/'
  local knows_dnnl
  knows_dnnl=$(grep -rlE --include='*.cc' --include='*.h' '^ *# *include *[<"].*dnnl' \
    "${source_folders[@]}")
  if [[ $knows_dnnl != engine/matmul.cc ]]; then
    printf 'only engine/matmul.cc may include headers of oneDNN; found in:\n%s\n' "$knows_dnnl" >&2
    return 1
  fi
}

# tidy_file BUILD_DIR FILE: its findings, or nothing. A g++ flag that clang does not know is none.
tidy_file() {
  local findings
  if ! findings=$(clang-tidy --quiet -p "$1" '--warnings-as-errors=*' \
    --extra-arg=-Wno-unknown-warning-option "$2" 2>&1); then
    printf '%s\n' "$findings"
    return 1
  fi
}

check_tidy() {
  export -f tidy_file
  sources '*.cc' | xargs -0 -P "$(nproc)" -n 1 bash -c 'tidy_file "$@"' tidy_file "$1"
}

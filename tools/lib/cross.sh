# shellcheck shell=bash
# Compiles the kernels for CPUs that are not this one; sourced after common.sh.

# compile_kernels CPU COMPILER FLAG...: every source that Highway compiles once per instruction set,
# and every one with a part for x86-64 alone. Nothing is linked or run.
compile_kernels() {
  local cpu=$1 compiler=$2 kernels file
  shift 2
  local flags=(-std=c++20 -O1 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -fopenmp -I .
    "$@")
  mapfile -t kernels < <(grep -lE '^#include "hwy/foreach_target.h"|__x86_64__' engine/*.cc)
  ((${#kernels[@]} > 0)) || die "no source is compiled for several CPUs"
  for file in "${kernels[@]}"; do
    "$compiler" "${flags[@]}" -c "$file" -o /dev/null || die "$file does not compile for $cpu"
  done
  echo "${#kernels[@]} sources compile for $cpu"
}

# check_aarch64: Highway's and Abseil's headers are the host's, which hold for any CPU; -idirafter
# puts them behind the cross compiler's own. The scalable vectors of SVE have no size that the
# compiler knows, so that arrays cannot hold them, as the kernels' do: NEON, then.
check_aarch64() {
  compile_kernels aarch64 aarch64-linux-gnu-g++ -idirafter /usr/include \
    '-DHWY_DISABLED_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)'
}

# check_plain_x86: for a CPU that has none of the instructions that kernels ask for themselves, which
# a build for this machine's own CPU may have and so does not show to be asked for. GCC 12 warns of
# its own headers.
check_plain_x86() {
  compile_kernels "x86-64 without extensions" "${CXX:-c++}" -march=x86-64 -DHWY_WANT_AVX3_DL=1 \
    -Wno-uninitialized -Wno-maybe-uninitialized
}

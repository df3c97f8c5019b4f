# shellcheck shell=bash
# Compiles the kernels for a CPU that is not this one; sourced after common.sh.

# check_aarch64: every source that Highway compiles once per instruction set, and every one with a
# part for x86-64 alone, for aarch64. Nothing is linked or run. Highway's and Abseil's headers are
# the host's, which hold for any CPU; -idirafter puts them behind the cross compiler's own. The
# scalable vectors of SVE have no size that the compiler knows, so that arrays cannot hold them, as
# the kernels' do: NEON, then.
check_aarch64() {
  local flags=(-std=c++20 -O1 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -I .
    -idirafter /usr/include
    '-DHWY_DISABLED_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)')
  local kernels file count=0
  mapfile -t kernels < <(grep -lE '^#include "hwy/foreach_target.h"|__x86_64__' engine/*.cc)
  ((${#kernels[@]} > 0)) || die "no source is compiled for several CPUs"
  for file in "${kernels[@]}"; do
    aarch64-linux-gnu-g++ "${flags[@]}" -c "$file" -o /dev/null ||
      die "$file does not compile for aarch64"
    count=$((count + 1))
  done
  echo "$count sources compile for aarch64"
}

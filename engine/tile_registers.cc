#include "engine/tile_registers.h"

#include "engine/machine.h"

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace plumbline {
namespace {

// Linux gives tile registers on request only.
bool MayUseTiles() {
#if defined(__x86_64__)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;  // other CPUs have no such registers
#endif
}

}  // namespace

bool UsesTiles() {
  static const bool uses = HasTiles() && MayUseTiles();
  return uses;
}

}  // namespace plumbline

#include "engine/attention_form.h"

#include "engine/attention_tiles.h"
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

AttentionForm AttentionFormFor(KvDtype dtype, int head_dim) {
  static const bool has_tiles = HasBf16Tiles() && MayUseTiles();
  const bool fits = dtype == KvDtype::kBf16 && head_dim % kTileRun == 0;
  return fits && has_tiles ? AttentionForm::kTiles : AttentionForm::kVectors;
}

}  // namespace plumbline

#include "engine/bf16_unit.h"

#include "engine/machine.h"
#include "engine/tile_registers.h"

namespace plumbline {

Bf16Unit UsedBf16Unit() {
  static const Bf16Unit unit = UsesTiles()     ? Bf16Unit::kTiles
                               : HasFastBf16() ? Bf16Unit::kPairs
                                               : Bf16Unit::kNone;
  return unit;
}

absl::string_view Bf16UnitName(Bf16Unit unit) {
  switch (unit) {
    case Bf16Unit::kNone:
      return "none";
    case Bf16Unit::kPairs:
      return "pairs";
    case Bf16Unit::kTiles:
      return "tiles";
  }
  return "none";
}

}  // namespace plumbline

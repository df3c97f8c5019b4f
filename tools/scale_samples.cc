#include "tools/scale_samples.h"

namespace plumbline {

absl::string_view ScaleSweepName(ScaleSweep sweep) {
  switch (sweep) {
    case ScaleSweep::kPrefill:
      return "prefill";
    case ScaleSweep::kDecode:
      return "decode";
    case ScaleSweep::kBatch:
      return "batch";
    case ScaleSweep::kLayers:
      return "layers";
    case ScaleSweep::kHeads:
      return "heads";
    case ScaleSweep::kKvHeads:
      return "kv_heads";
    case ScaleSweep::kBlock:
      return "block";
    case ScaleSweep::kChunk:
      return "chunk";
    case ScaleSweep::kNoCache:
      return "no_cache";
    case ScaleSweep::kStoredFull:
      return "stored_full";
    case ScaleSweep::kStoredCausal:
      return "stored_causal";
    case ScaleSweep::kTiled:
      return "tiled";
    case ScaleSweep::kFusedSoftmax:
      return "fused_softmax";
    case ScaleSweep::kUnfusedSoftmax:
      return "unfused_softmax";
    case ScaleSweep::kFusedFfn:
      return "fused_ffn";
    case ScaleSweep::kUnfusedFfn:
      return "unfused_ffn";
    case ScaleSweep::kPaged:
      return "paged";
    case ScaleSweep::kContiguous:
      return "contiguous";
  }
  return "unknown";
}

bool ParseScaleSweep(absl::string_view name, ScaleSweep* sweep) {
  for (int i = 0; i <= static_cast<int>(ScaleSweep::kContiguous); ++i) {
    if (ScaleSweepName(static_cast<ScaleSweep>(i)) != name) continue;
    *sweep = static_cast<ScaleSweep>(i);
    return true;
  }
  return false;
}

}  // namespace plumbline

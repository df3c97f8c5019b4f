#include <algorithm>
#include <array>

#include "engine/formula.h"

namespace plumbline {
namespace {

// Sorted as ASCII sorts.
constexpr auto kSymbols = std::to_array<Symbol>({
    {"B", "sequences", "in the batch"},
    {"F", "elements", "width of the feed-forward"},
    {"L", "layers", ""},
    {"N", "elements", "state of a channel, in a state-space model"},
    {"T", "tokens", "generated in all"},
    {"b", "bytes an element", "4: f32; 2: f16, bf16; 1: 8 bits"},
    {"b_c", "bytes an element", "of the cache"},
    {"b_w", "bytes an element", "of the weights"},
    {"bits", "bits an element", "of a quantised cache"},
    {"bw", "bytes a second", ""},
    {"c", "tokens", "of a chunk or a tile"},
    {"clusters", "clusters", ""},
    {"cols_tile", "keys", "of a tile"},
    {"d", "elements", "width of the model"},
    {"d_i", "elements", "inner width of a state-space block, often 2 d"},
    {"d_k", "elements", "width of a head's queries and keys"},
    {"d_v", "elements", "width of a head's values"},
    {"e", "elements", "width of a head"},
    {"e_r", "elements", "rotary key that all heads share"},
    {"f", "elements", "width of a head's feature map"},
    {"forward_ms", "milliseconds", "of a forward pass"},
    {"fused", "seconds", "of tiled attention"},
    {"g", "heads", "of keys and values"},
    {"gpu_gb", "GB", "of 1e9 bytes"},
    {"group", "elements", "that share a scale"},
    {"h", "heads", "of queries"},
    {"k", "positions", "a token attends to, or keys are projected to"},
    {"k_c", "taps", "of the convolution"},
    {"log2_n", "bits", "log2 of n"},
    {"m", "matrices", "of the feed-forward: 2, or 3 where gated"},
    {"macs", "MAC", ""},
    {"mha_bytes", "bytes", "of the multi-head cache"},
    {"model_bytes", "bytes", "of the weights"},
    {"mult", "ratio", "width of the feed-forward over d, often 4"},
    {"n", "tokens", "of the sequence"},
    {"naive", "seconds", "of attention that stores its scores"},
    {"nbytes", "bytes", "to move"},
    {"one_layer", "any unit", "cost of one layer"},
    {"one_sequence", "bytes", "of one sequence"},
    {"p", "workers", ""},
    {"page", "tokens", "of a page"},
    {"pairs", "pairs", "of query and key, of one head"},
    {"passes", "passes", "over the bytes: 2 writes and reads once"},
    {"q", "elements", "latent width"},
    {"r", "elements", "rank of the step size, often d/16"},
    {"rate", "multiplications a second", ""},
    {"rows", "positions", "that get logits"},
    {"rows_tile", "queries", "of a tile"},
    {"s", "tokens", "stride, and local width"},
    {"safety", "fraction", "of the memory that may be used"},
    {"scale_bytes", "bytes", "of a scale, zero point included"},
    {"t", "tokens", "of context, the new one included"},
    {"tflops", "1e12 operations a second", ""},
    {"threads", "threads", ""},
    {"variant", "MAC", "of the variant"},
    {"vocab", "tokens", "of the vocabulary"},
    {"w", "tokens", "of a window"},
    {"weights", "weights", "as D_WEIGHTS counts them"},
});

}  // namespace

absl::Span<const Symbol> Symbols() { return kSymbols; }

const Symbol* FindSymbol(absl::string_view name) {
  const auto* found = std::find_if(kSymbols.begin(), kSymbols.end(),
                                   [name](const Symbol& symbol) { return symbol.name == name; });
  return found == kSymbols.end() ? nullptr : found;
}

}  // namespace plumbline

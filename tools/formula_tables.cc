// The rows and columns of each table. Titles and notes are ours; headings of T1 to T8 and all
// number formats are the article's.
#include "absl/strings/str_cat.h"
#include "tools/formula_table.h"

namespace plumbline {
namespace {

constexpr NumberFormat kPlain = {};
constexpr NumberFormat kCount = {.thousands = true};
constexpr NumberFormat kExact = {.decimals = NumberFormat::kShortest};
constexpr NumberFormat kHundredths = {.decimals = 2};
constexpr NumberFormat kHundredthsTimes = {.decimals = 2, .suffix = "x"};
constexpr NumberFormat kTenthsTimes = {.decimals = 1, .suffix = "x"};
constexpr NumberFormat kThousandths = {.decimals = 3};
constexpr NumberFormat kTenthsPercent = {.decimals = 1, .suffix = "%"};
constexpr NumberFormat kFourths = {.decimals = 4};
constexpr NumberFormat kGigabytes = {.suffix = " GB"};

constexpr absl::string_view kSmall = "GPT-2 Small";
constexpr absl::string_view kMedium = "GPT-2 Medium";
constexpr absl::string_view kLarge = "GPT-2 Large";
constexpr absl::string_view k13b = "13B Model";

// One row for each value of a name.
std::vector<TableRow> RowsOf(absl::string_view name, const std::vector<int>& values) {
  std::vector<TableRow> rows;
  rows.reserve(values.size());
  for (const int value : values) rows.push_back({"", absl::StrCat(name, "=", value)});
  return rows;
}

TableRow TableModel(absl::string_view label, int n) {
  absl::string_view shape = "d=768, h=12, L=12";
  if (label == kMedium) shape = "d=1024, h=16, L=24";
  if (label == kLarge) shape = "d=1280, h=20, L=36";
  if (label == k13b) shape = "d=5120, h=40, L=40";
  return {label, absl::StrCat("n=", n, ", ", shape)};
}

FormulaTable AttentionFlops() {
  return {.id = "T1_ATTN_FLOPS",
          .title = "Attention operations of a layer, d = 768",
          .notes =
              "MAC of the full square, all heads, and 3 n^2 for the softmax of one head. The "
              "article's FLOPs are these; FLOPs proper count 2 a MAC.",
          .columns = {{"Sequence Length", "n", kCount},
                      {"FLOPs", "A1_ATTN_FLOPS(n, d=768)", kCount},
                      {"Billions", "A1_ATTN_FLOPS(n, d=768)/1e9", kThousandths}},
          .rows = RowsOf("n", {128, 512, 1024, 2048, 4096, 8192})};
}

FormulaTable AttentionMemory() {
  std::vector<TableRow> rows;
  for (const absl::string_view model : {kSmall, kMedium}) {
    for (const int n : {512, 2048, 8192}) rows.push_back(TableModel(model, n));
  }
  return {.id = "T2_ATTN_MEMORY",
          .title = "Attention memory, 16 bits, one sequence",
          .notes =
              "GB is 1024^3 bytes here. Scores, Q, K, V and output of all layers at once, as in "
              "training; X1 has the rows that the article leaves out.",
          .columns = {{"Model", "", kPlain},
                      {"Seq Len", "n", kCount},
                      {"Memory (GB)", "A1_ATTN_LAYER_MEM_GB(n, d, h, L, b=2)", kHundredths}},
          .rows = rows};
}

FormulaTable AttentionAgainstRnn() {
  return {.id = "T3_ATTN_VS_RNN",
          .title = "Attention core and recurrent layer, d = 512",
          .notes = "MAC, leading powers: both lose a factor of 2. Full square, no projections.",
          .columns = {{"Seq Len (n)", "n", kPlain},
                      {"Attention", "A1_ATTN_COST(n, d=512)", kCount},
                      {"RNN", "A1_RNN_COST(n, d=512)", kCount},
                      {"Attn/RNN", "A1_ATTN_RNN_RATIO(n, d=512)", kHundredthsTimes}},
          .rows = RowsOf("n", {64, 128, 256, 512, 1024, 2048, 4096}),
          .footer = "Crossover point: n = d = ",
          .footer_expression = "A1_CROSSOVER_RNN(d=512)"};
}

FormulaTable PathTradeOff() {
  return {.id = "T4_PATH_TRADEOFF",
          .title = "Cost and path length, attention over recurrent layer, d = 512",
          .notes = "Paths are mean distances from one fixed end.",
          .columns = {{"Seq Len", "n", kPlain},
                      {"Compute Ratio", "A1_ATTN_RNN_RATIO(n, d=512)", kHundredthsTimes},
                      {"Path Improve", "A1_PATH_RNN_AVG(n)", kTenthsTimes},
                      {"Efficiency", "A1_PATH_EFFICIENCY(n, d=512)", kThousandths}},
          .rows = RowsOf("n", {128, 256, 512, 1024, 2048})};
}

FormulaTable LongestRow() {
  return {
      .id = "T5_MAX_SEQ",
      .title = "Longest sequences of GPT-2 Small by GPU memory, batch 1",
      .notes =
          "GB is 1e9 bytes here. 70% of the memory for 16-bit scores of 12 layers at once; "
          "X2 has other readings.",
      .columns = {{"GPU", "", kPlain},
                  {"Memory", "gb", kGigabytes},
                  {"Max Seq Len", "A1_MAX_SEQ(gpu_gb=gb, safety=0.7, h=12, L=12, B=1)", kCount}},
      .rows = {{"RTX 3090", "gb=24"},
               {"A100 40GB", "gb=40"},
               {"A100 80GB", "gb=80"},
               {"H100 80GB", "gb=80"}}};
}

FormulaTable AttentionTimes() {
  return {.id = "T6_ATTN_TIME",
          .title = "Attention times of GPT-2 Small at 150 TFLOP/s",
          .notes =
              "MAC over a rate that counts 2 a MAC: times are half of what the rate implies. "
              "Full square; no bandwidth.",
          .columns = {{"Sequence Length", "n", kCount},
                      {"Time (ms)", "A1_TIME_MS(n, d=768, L=12, tflops=150)", kHundredths},
                      {"Tokens/sec", "A1_TOKENS_PER_SEC(n, d=768, L=12, tflops=150)", kCount}},
          .rows = RowsOf("n", {512, 1024, 2048, 4096, 8192, 16384, 32768})};
}

FormulaTable LayerShares() {
  return {.id = "T7_LAYER_SHARES",
          .title = "Shares of a layer's work, d = 768",
          .notes = "MAC, full square; X4 has the causal shares.",
          .columns = {{"Seq Len", "n", kPlain},
                      {"Attention", "A1_SHARE_ATTN(n, d=768)", kTenthsPercent},
                      {"Projections", "A1_SHARE_PROJ(n, d=768)", kTenthsPercent},
                      {"FFN", "A1_SHARE_FFN(n, d=768)", kTenthsPercent}},
          .rows = RowsOf("n", {256, 512, 1024, 2048, 4096})};
}

FormulaTable Variants() {
  return {.id = "T8_VARIANTS",
          .title = "Attention variants, n = 16,384, d = 768",
          .notes =
              "MAC of one of the two products, where T1 counts both; linear attention as a "
              "single head.",
          .columns = {{"Variant", "", kPlain},
                      {"FLOPs", "macs", kCount},
                      {"Speedup", "A1_VAR_SPEEDUP(n=16384, d=768, variant=macs)", kTenthsTimes}},
          .rows = {{"Standard", "macs=A1_VAR_STANDARD(n=16384, d=768)"},
                   {"Linear", "macs=A1_VAR_LINEAR(n=16384, d=768)"},
                   {"Sparse", "macs=A1_VAR_SPARSE(n=16384, k=A1_SPARSE_DEFAULT_K(n=16384), d=768)"},
                   {"Window (w=256)", "macs=A1_VAR_WINDOW(n=16384, w=256, d=768)"}}};
}

FormulaTable MissingMemory() {
  std::vector<TableRow> rows = {TableModel(kSmall, 32768), TableModel(kMedium, 32768)};
  for (const absl::string_view model : {kLarge, k13b}) {
    for (const int n : {512, 2048, 8192, 32768}) rows.push_back(TableModel(model, n));
  }
  return {.id = "X1_MEMORY_MISSING_CELLS",
          .title = "Attention memory, 16 bits: the rows that T2 leaves out",
          .notes =
              "Scores, Q, K, V and output, full square. Training keeps all layers, inference "
              "one.",
          .columns = {{"Model", "", kPlain},
                      {"Seq Len", "n", kPlain},
                      {"all layers, GiB", "A1_ATTN_LAYER_MEM_GB(n, d, h, L, b=2)", kExact},
                      {"one layer, GiB", "A1_ATTN_LAYER_MEM_GB(n, d, h, L=1, b=2)", kExact}},
          .rows = rows};
}

FormulaTable LongestSequenceReadings() {
  return {.id = "X2_MAX_SEQ_READINGS",
          .title = "Longest sequences: what T5 is under other readings",
          .notes =
              "L live: layers whose scores are held at once. GPT-2 Small but for the last "
              "column. The first column of lengths is T5's; one layer and GiB is what the "
              "article's text says.",
          .columns = {{"GPU", "", kPlain},
                      {"GB", "gb", kPlain},
                      {"12L, GB", "A1_MAX_SEQ(gpu_gb=gb, safety, h, L=12, B)", kPlain},
                      {"12L, GiB", "A1_MAX_SEQ(gpu_gb=gib, safety, h, L=12, B)", kPlain},
                      {"1L, GB", "A1_MAX_SEQ(gpu_gb=gb, safety, h, L=1, B)", kPlain},
                      {"1L, GiB", "A1_MAX_SEQ(gpu_gb=gib, safety, h, L=1, B)", kPlain},
                      {"13B 40L, GB", "A1_MAX_SEQ(gpu_gb=gb, safety, h=40, L=40, B)", kPlain}},
          .rows = {{"RTX 3090", "gb=24"}, {"A100 40GB", "gb=40"}, {"A100 80GB", "gb=80"}},
          .shared = "gib=gb*1024^3/1e9, safety=0.7, h=12, B=1"};
}

FormulaTable Crossovers() {
  return {.id = "X3_CROSSOVERS",
          .title = "Lengths where the attention core costs what others cost",
          .notes =
              "RNN: one matrix, n = d. proj: the projections, 2 d. FFN: 4 d; causal 8 d - 1. "
              "half: half of the layer, 6 d; causal 12 d - 1. F = 4 d, two matrices.",
          .columns = {{"d", "d", kPlain},
                      {"RNN", "A1_CROSSOVER_RNN(d)", kPlain},
                      {"proj", "D_CROSS_PROJ_FULL(d)", kPlain},
                      {"FFN", "D_CROSS_FFN_FULL(m=2, F=4*d)", kPlain},
                      {"half", "D_CROSS_HALF_FULL(d)", kPlain},
                      {"FFN causal", "D_CROSS_FFN_CAUSAL(m=2, F=4*d)", kPlain},
                      {"half causal", "D_CROSS_HALF_CAUSAL(d)", kPlain}},
          .rows = RowsOf("d", {512, 768, 1024, 1280, 4096, 5120, 12000, 12288})};
}

FormulaTable CausalShares() {
  return {.id = "X4_LAYER_SHARES_CAUSAL",
          .title = "Shares of a layer's work where causal, d = 768",
          .notes = "MAC; n (n + 1) / 2 pairs in place of T7's n^2.",
          .columns = {{"Seq Len", "n", kPlain},
                      {"Attention %", "100*core/(core + proj + ffn)", kFourths},
                      {"Projections %", "100*proj/(core + proj + ffn)", kFourths},
                      {"FFN %", "100*ffn/(core + proj + ffn)", kFourths}},
          .rows = RowsOf("n", {256, 512, 1024, 2048, 4096, 8192, 16384}),
          .shared =
              "core=D_CORE_MAC(h=12, e=64, pairs=D_PAIRS_CAUSAL(n)), "
              "proj=D_PROJ_MAC(n, d=768, e=64, h=12, g=12), "
              "ffn=D_FFN_MAC(n, m=2, d=768, F=3072)"};
}

FormulaTable Caches() {
  return {.id = "X5_KV_CACHE_32L_4096",
          .title = "Cache of 32 layers of width 4096 (32 heads of 128)",
          .notes =
              "Without scales of the quantised ones. Tokens: 100,000, and 1,000,000 in the last "
              "column.",
          .columns = {{"cache", "", kPlain},
                      {"bytes a token", "bytes", kCount},
                      {"GB", "bytes*1e5/1e9", kExact},
                      {"GiB", "bytes*1e5/1024^3", kExact},
                      {"GB, million", "bytes*1e6/1e9", kExact}},
          .rows = {{"multi-head fp16", "g=32, bits=16"},
                   {"multi-head 8-bit", "g=32, bits=8"},
                   {"multi-head 4-bit", "g=32, bits=4"},
                   {"grouped, 8 KV heads, fp16", "g=8, bits=16"},
                   {"multi-query, fp16", "g=1, bits=16"},
                   {"grouped, 8 KV heads, 4-bit", "g=8, bits=4"}},
          .shared = "bytes=D_KV_QUANT_BYTES(L=32, g, t=1, e=128, bits, group=128, scale_bytes=0)"};
}

}  // namespace

std::vector<FormulaTable> PrintedTables() {
  return {AttentionFlops(), AttentionMemory(), AttentionAgainstRnn(), PathTradeOff(),
          LongestRow(),     AttentionTimes(),  LayerShares(),         Variants()};
}

std::vector<FormulaTable> UnprintedTables() {
  return {MissingMemory(), LongestSequenceReadings(), Crossovers(), CausalShares(), Caches()};
}

}  // namespace plumbline

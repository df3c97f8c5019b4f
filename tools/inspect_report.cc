// How an inspection reads, as text and as JSON.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "tools/inspect.h"
#include "tools/numeric_options.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kValueColumn = 26;

// "  name                    value", the value wrapped below itself.
std::string Line(absl::string_view name, absl::string_view value) {
  std::string label = absl::StrCat("  ", name);
  label.resize(kValueColumn, ' ');
  // Wrapped by itself, because blanks inside the label are not to be lost.
  const std::string wrapped = WrapText(value, 0, kTerminalColumns - kValueColumn);
  return label +
         absl::StrReplaceAll(absl::StripSuffix(wrapped, "\n"),
                             {{"\n", "\n" + std::string(kValueColumn, ' ')}}) +
         "\n";
}

std::string PositionName(const ModelConfig& config) {
  if (config.position == PositionKind::kLearned) return "learned";
  return absl::StrFormat("RoPE over %s, %d of %d elements, base %g",
                         config.position == PositionKind::kRopeHalves ? "halves" : "neighbours",
                         config.rope_dims, config.head_dim, config.rope_base);
}

std::string NormName(const ModelConfig& config) {
  return config.norm == NormKind::kRms ? "RMSNorm" : "LayerNorm";
}

std::string FeedForwardName(const ModelConfig& config) {
  return config.feed_forward == FeedForwardKind::kSwiGlu ? "SwiGLU" : "GELU";
}

std::string Biases(const ModelConfig& config) {
  if (config.linear_bias) return "everywhere";
  return config.qkv_bias ? "Q, K and V" : "none";
}

std::string Shape(const ModelConfig& c) {
  return absl::StrCat(
      CutText(Printable(c.name), 60), "\n", Line("architecture", c.architecture),
      Line("layers", FormatCount(c.layers)), Line("width", FormatCount(c.width)),
      Line("heads", absl::StrCat(c.heads, " of ", c.head_dim, " elements")),
      Line("KV heads", absl::StrCat(c.kv_heads)),
      Line("feed-forward", absl::StrCat(FormatCount(c.ffn), ", ", FeedForwardName(c))),
      Line("vocabulary", FormatCount(c.vocab)),
      Line("context", absl::StrCat(FormatCount(c.context), " tokens")), Line("norm", NormName(c)),
      Line("positions", PositionName(c)), Line("biases", Biases(c)));
}

std::string Weights(const Inspection& inspection) {
  Table table({"Weights, bytes", "parameters", "stored as", "stored", "as f32", "as bf16",
               "as int8", "as q4"});
  TensorClass all;
  for (const TensorClass& of : inspection.classes) {
    table.AddRow({Cell::Text(absl::StrCat("  ", of.name)), Cell::Count(of.parameters),
                  Cell::Text(of.types), Cell::Count(of.stored_bytes), Cell::Count(of.f32_bytes),
                  Cell::Count(of.bf16_bytes), Cell::Count(of.int8_bytes),
                  Cell::Count(of.q4_bytes)});
    all.parameters += of.parameters;
    all.stored_bytes += of.stored_bytes;
    all.f32_bytes += of.f32_bytes;
    all.bf16_bytes += of.bf16_bytes;
    all.int8_bytes += of.int8_bytes;
    all.q4_bytes += of.q4_bytes;
  }
  table.AddRow({Cell::Text("  total"), Cell::Count(all.parameters), Cell::Text(""),
                Cell::Count(all.stored_bytes), Cell::Count(all.f32_bytes),
                Cell::Count(all.bf16_bytes), Cell::Count(all.int8_bytes),
                Cell::Count(all.q4_bytes)});
  return table.ToString();
}

std::string Cache(const Inspection& inspection) {
  std::string out = "Cache\n";
  for (const KvDtype dtype : kKvDtypes) {
    absl::StrAppend(&out, Line(absl::StrCat("one token, ", KvDtypeName(dtype)),
                               FormatBytes(inspection.token_bytes[static_cast<size_t>(dtype)])));
  }
  const int64_t memory = inspection.memory_context_tokens;
  const int64_t context = inspection.config.context;
  absl::StrAppend(
      &out, Line("largest context",
                 absl::StrCat(FormatCount(std::min(memory, context)), " tokens, by the ",
                              memory < context ? "memory" : "model", "; free memory would hold ",
                              FormatCount(memory), " beside ", WeightDtypeName(inspection.weights),
                              " weights, as ", KvDtypeName(inspection.kv_dtype))));
  return out;
}

std::string FormText(AttentionForm form) {
  switch (form) {
    case AttentionForm::kVectors:
      return "f32 vectors";
    case AttentionForm::kPairs:
      return "bf16 pairs";
    case AttentionForm::kTiles:
      return "AMX tiles";
  }
  return "";
}

std::string MachineText(const Inspection& inspection) {
  const Machine& machine = inspection.machine;
  std::string out = absl::StrCat(
      "This machine\n", Line("CPU", Printable(machine.cpu_model)),
      Line("cores in use", absl::StrCat(inspection.threads, " of ", machine.cores)),
      Line("instruction sets", absl::StrJoin(machine.features, " ")),
      Line("memory", FormatBytes(machine.total_memory_bytes)),
      Line("  free", absl::StrCat(FormatBytes(machine.free_memory_bytes), ", by ",
                                  Printable(machine.memory_limit))),
      Line("attention kernels", absl::StrCat(inspection.attention_target, "; bf16 cache: ",
                                             FormText(inspection.attention_form))));
  for (const MatmulFacts& facts : inspection.matmuls) {
    absl::StrAppend(&out, Line(absl::StrCat("oneDNN, ", WeightDtypeName(facts.dtype)),
                               facts.problem.empty() ? facts.implementations : facts.problem));
    absl::StrAppend(
        &out, Line("  law 1, same bits",
                   facts.same_bits ? "holds, whatever the batch, chunks, blocks and threads"
                                   : "not promised: a row may differ with the rows beside it"));
  }
  return out;
}

nlohmann::ordered_json ConfigJson(const ModelConfig& c) {
  return {{"layers", c.layers},
          {"width", c.width},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"head_dim", c.head_dim},
          {"ffn", c.ffn},
          {"vocab", c.vocab},
          {"context", c.context},
          {"norm", NormName(c)},
          {"positions", PositionName(c)},
          {"feed_forward", FeedForwardName(c)},
          {"biases", Biases(c)},
          {"tied_head", c.tied_head}};
}

nlohmann::ordered_json MachineJson(const Inspection& inspection) {
  const Machine& machine = inspection.machine;
  return {{"cpu", machine.cpu_model},
          {"cores", machine.cores},
          {"instruction_sets", machine.features},
          {"total_memory_bytes", machine.total_memory_bytes},
          {"free_memory_bytes", machine.free_memory_bytes},
          {"memory_limit", machine.memory_limit},
          {"attention_kernels", inspection.attention_target},
          {"bf16_cache_attention", FormText(inspection.attention_form)}};
}

}  // namespace

std::string InspectReport(const Inspection& inspection) {
  return absl::StrCat(Shape(inspection.config), "\n", Weights(inspection), "\n", Cache(inspection),
                      "\n", MachineText(inspection));
}

std::string InspectJson(const Inspection& inspection) {
  nlohmann::ordered_json json;
  json["model"] = inspection.model;
  json["name"] = inspection.config.name;
  json["architecture"] = inspection.config.architecture;
  json["shape"] = ConfigJson(inspection.config);
  json["parameters"] = inspection.parameters;
  for (const TensorClass& of : inspection.classes) {
    json["weights"][of.name] = {{"parameters", of.parameters},     {"stored_types", of.types},
                                {"stored_bytes", of.stored_bytes}, {"f32_bytes", of.f32_bytes},
                                {"bf16_bytes", of.bf16_bytes},     {"int8_bytes", of.int8_bytes},
                                {"q4_bytes", of.q4_bytes}};
  }
  json["default_weights"] = std::string(WeightDtypeName(inspection.weights));
  json["default_kv_dtype"] = std::string(KvDtypeName(inspection.kv_dtype));
  for (const KvDtype dtype : kKvDtypes) {
    json["cache_token_bytes"][std::string(KvDtypeName(dtype))] =
        inspection.token_bytes[static_cast<size_t>(dtype)];
  }
  json["largest_context_tokens"] =
      std::min<int64_t>(inspection.memory_context_tokens, inspection.config.context);
  json["memory_context_tokens"] = inspection.memory_context_tokens;
  json["machine"] = MachineJson(inspection);
  for (const MatmulFacts& facts : inspection.matmuls) {
    auto& entry = json["matmul"][std::string(WeightDtypeName(facts.dtype))];
    entry["implementations"] = facts.implementations;
    if (!facts.problem.empty()) entry["problem"] = facts.problem;
    entry["same_bits"] = facts.same_bits;
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace plumbline

// The names of a record's numbers, once for all files that hold them.
#ifndef PLUMBLINE_TOOLS_LOAD_FIELDS_H_
#define PLUMBLINE_TOOLS_LOAD_FIELDS_H_

#include <array>
#include <cstdint>
#include <variant>

#include "tools/load_record.h"

namespace plumbline {

// A field is a time or a count.
template <class Record>
struct LoadField {
  const char* name;
  std::variant<double Record::*, int64_t Record::*> member;
};

inline constexpr std::array<LoadField<StepRecord>, 14> kStepFields = {
    {{"replica", &StepRecord::replica},
     {"start_seconds", &StepRecord::start_seconds},
     {"end_seconds", &StepRecord::end_seconds},
     {"predicted_seconds", &StepRecord::predicted_seconds},
     {"prompt_tokens", &StepRecord::prompt_tokens},
     {"decode_tokens", &StepRecord::decode_tokens},
     {"running", &StepRecord::running},
     {"waiting", &StepRecord::waiting},
     {"blocks_used", &StepRecord::blocks_used},
     {"blocks_free", &StepRecord::blocks_free},
     {"cached_tokens", &StepRecord::cached_tokens},
     {"waste_tokens", &StepRecord::waste_tokens},
     {"preemptions", &StepRecord::preemptions},
     {"over_itl_target", &StepRecord::over_itl_target}}};

// Without the lists, the outcome and the error.
inline constexpr std::array<LoadField<RequestRecord>, 12> kRequestFields = {
    {{"id", &RequestRecord::id},
     {"user", &RequestRecord::user},
     {"turn", &RequestRecord::turn},
     {"group", &RequestRecord::group},
     {"prompt_tokens", &RequestRecord::prompt_tokens},
     {"output_tokens", &RequestRecord::output_tokens},
     {"replica", &RequestRecord::replica},
     {"prefix_hit_tokens", &RequestRecord::prefix_hit_tokens},
     {"intended_seconds", &RequestRecord::intended_seconds},
     {"sent_seconds", &RequestRecord::sent_seconds},
     {"first_scheduled_seconds", &RequestRecord::first_scheduled_seconds},
     {"finish_seconds", &RequestRecord::finish_seconds}}};

// Of a run.
inline constexpr std::array<LoadField<LoadRecord>, 9> kRunFields = {
    {{"threads", &LoadRecord::threads},
     {"replicas", &LoadRecord::replicas},
     {"step_tokens", &LoadRecord::step_tokens},
     {"block_tokens", &LoadRecord::block_tokens},
     {"blocks", &LoadRecord::blocks},
     {"block_bytes", &LoadRecord::block_bytes},
     {"token_bytes", &LoadRecord::token_bytes},
     {"article_token_bytes", &LoadRecord::article_token_bytes},
     {"unix_seconds", &LoadRecord::unix_seconds}}};

// Of the file; another one is not read.
inline constexpr int64_t kLoadFileVersion = 1;

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_FIELDS_H_

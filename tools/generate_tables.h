// The tables of a run's steps, operations, bytes and cache.
#ifndef PLUMBLINE_TOOLS_GENERATE_TABLES_H_
#define PLUMBLINE_TOOLS_GENERATE_TABLES_H_

#include <string>

#include "tools/generate.h"

namespace plumbline {

// Cancelled or failed: it may not have stored all that its cache's formula is for.
bool WasCutOff(const RequestResult& result);

// Index of the step after the one that gave the first token; the number of steps where none did.
size_t FirstDecodeStep(const RequestResult& result);
// By time, the lower one of two: a step that really was, so that its context is known.
// REQUIRES: there is a decode step.
RequestStep MedianDecodeStep(const RequestResult& result);

// Each table starts with an empty line; one without rows is empty altogether.

// First, median and last decode step of each request.
std::string DecodeStepTable(const GenerateRun& run);
// Operations and bytes by class, measured beside formula and article: of one request its prefill
// and its last decode step; of several all prefills, all decode steps, and the bytes of all steps.
std::string FigureTables(const GenerateRun& run);
// Bytes of all requests' caches.
std::string CacheTable(const GenerateRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_TABLES_H_

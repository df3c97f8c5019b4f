// Memory that is asked for, made resident: so that steps do not wait for the system to clear pages.
#ifndef PLUMBLINE_TOOLS_RESIDENT_H_
#define PLUMBLINE_TOOLS_RESIDENT_H_

#include "cache/kv_store.h"
#include "engine/model.h"

namespace plumbline {

// All scratch and every block of the cache, by the model's threads. Before the first step: contents
// become zeros.
void MakeResident(Model& model, KvStore& store);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_RESIDENT_H_

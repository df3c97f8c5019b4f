#include <omp.h>

#include <dnnl.hpp>

#include "absl/strings/str_cat.h"
#include "engine/matmul.h"
#include "engine/parallel.h"

namespace plumbline {

absl::Status MultiplyPlain(const PlainProduct& product, int threads, float* c, int64_t c_stride) {
  if (omp_in_parallel() == 0) {
    omp_set_dynamic(0);
    omp_set_num_threads(UsableThreads(threads));
  }
  const dnnl_status_t status =
      dnnl_sgemm('N', product.transpose_b ? 'T' : 'N', product.rows, product.columns, product.inner,
                 1.0F, product.a.data, product.a.stride, product.b.data, product.b.stride,
                 product.accumulate ? 1.0F : 0.0F, c, c_stride);
  if (status == dnnl_success) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("oneDNN could not multiply plain matrices: status ", status));
}

}  // namespace plumbline

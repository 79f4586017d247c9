/* SPDX-License-Identifier: Apache-2.0 */
/* Words both sides of the C surface share: status codes, dtypes and matrix views. Frozen within an ABI major. */
#ifndef ASSAY_TYPES_H
#define ASSAY_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
#define ASSAY_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define ASSAY_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* ABI of this header set. While the major is 0 a module must carry exactly this minor; from 1.0 on any minor loads. */
#define ASSAY_ABI_MAJOR 0
#define ASSAY_ABI_MINOR 1

/* Thread tags used in every function's comment:
     [setup]      one caller per instance, not concurrent with anything on that instance
     [worker]     concurrent on different blocks; must not block, lock, allocate, start threads or wait for another task
     [control]    the application's calling thread only
     [any-thread] at any time, from any thread */

/* Status codes: 0 is success, positive values are notices, negative ones errors in blocks of a hundred. An unknown
   negative code is to be treated as an error, an unknown positive one as success. */
enum {
  ASSAY_OK = 0,
  ASSAY_CONVERGED = 1, /* a stop test held */
  ASSAY_STOPPED = 2,   /* a limit or a cancellation ended the run */
  ASSAY_E_ARGUMENT = -100, /* a NULL, a wrong size or a wrong shape from the caller */
  ASSAY_E_SPEC = -101,     /* the experiment's text does not say a runnable thing */
  ASSAY_E_COMBINATION = -102, /* plugins that cannot work together */
  ASSAY_E_PLUGIN = -200,   /* a plugin failed or is not usable */
  ASSAY_E_ABI = -201,      /* a module of another ABI */
  ASSAY_E_NOT_FOUND = -202, /* no such plugin, function or name */
  /* -3xx: the data. Status -3xx is the message code E03xx a user sees and can look up with `assay explain`. */
  ASSAY_E_DATA = -300,       /* any other fault of the data */
  ASSAY_E_NO_FILE = -301,    /* the file or folder does not exist or cannot be opened */
  ASSAY_E_TRUNCATED = -302,  /* the file ends too early */
  ASSAY_E_EMPTY = -303,      /* no rows, no columns or no observed entry */
  ASSAY_E_NOT_NUMERIC = -304, /* text where a number must stand */
  ASSAY_E_NON_FINITE = -305, /* NaN or infinity at an observed entry */
  ASSAY_E_FORMAT = -306,     /* the file is not of the format, or of a variant that is not read */
  ASSAY_E_SHAPE = -307,      /* shapes that do not fit together */
  ASSAY_E_DOMAIN = -310,     /* values outside a loss's domain */
  ASSAY_E_NUMERIC = -400,  /* non-finite values or a failed factorization */
  ASSAY_E_SINGULAR = -401, /* a matrix that had to be positive definite is not */
  ASSAY_E_RESOURCE = -500, /* a limit of the machine */
  ASSAY_E_MEMORY = -501,   /* an allocation failed */
  ASSAY_E_IO = -600,       /* a file could not be read or written */
  ASSAY_E_STATE = -800,    /* called at the wrong time */
  ASSAY_E_CANCELLED = -801,
  ASSAY_E_INTERNAL = -900  /* a fault of ours */
};

/* Element types. NUM in a buffer's description means the type a run computes in (F64 or F32). */
enum {
  ASSAY_NUM = 0,
  ASSAY_F64 = 1,
  ASSAY_F32 = 2,
  ASSAY_F16 = 3,
  ASSAY_U8 = 4,
  ASSAY_U16 = 5,
  ASSAY_I32 = 6,
  ASSAY_I64 = 7
};

/* Flags of views. */
enum {
  ASSAY_READ_ONLY = 1,
  ASSAY_CONTIGUOUS = 2,
  ASSAY_SORTED = 4,             /* sparse: indices rise within a line */
  ASSAY_UNIQUE = 8,             /* sparse: no index twice in a line */
  ASSAY_UNSTORED_UNOBSERVED = 16 /* sparse: an entry that is not stored is unknown; without it, it is zero */
};

/* Layouts of sparse views. */
enum { ASSAY_CSR = 0, ASSAY_CSC = 1 };

/* A dense matrix in somebody's memory. Strides are in elements and may be any positive number. */
typedef struct assay_dense {
  void *data;         /* first element; owner: whoever made the view */
  int32_t dtype;      /* ASSAY_F64 ... */
  uint32_t flags;     /* ASSAY_READ_ONLY | ASSAY_CONTIGUOUS */
  int64_t rows, cols;
  int64_t row_stride, col_stride; /* elements from one row (column) to the next */
  int64_t row0, col0; /* place of element (0, 0) in the whole matrix */
} assay_dense;

/* A compressed sparse matrix in somebody's memory. */
typedef struct assay_sparse {
  void *values;        /* nnz elements of dtype; NULL: all ones */
  void *indices;       /* nnz elements of index_dtype */
  void *indptr;        /* lines + 1 elements of index_dtype */
  int32_t dtype;       /* of values */
  int32_t index_dtype; /* ASSAY_I32 or ASSAY_I64 */
  int32_t index_base;  /* 0 or 1 */
  int32_t layout;      /* ASSAY_CSR or ASSAY_CSC */
  uint32_t flags;      /* ASSAY_SORTED | ASSAY_UNIQUE | ASSAY_UNSTORED_UNOBSERVED */
  int32_t reserved;    /* 0 */
  int64_t rows, cols, nnz;
} assay_sparse;

/* Kinds of masks. */
enum { ASSAY_MASK_ALL = 0, ASSAY_MASK_BITMAP = 1, ASSAY_MASK_PATTERN = 2 };

/* Which entries are observed: all, those with a set bit (bit j % 64 of word j / 64 of a row), or those stored. */
typedef struct assay_mask {
  int32_t kind;
  uint32_t flags;
  const uint64_t *bits; /* BITMAP: rows x words_per_row, row-major; else NULL */
  int64_t words_per_row;
} assay_mask;

ASSAY_STATIC_ASSERT(sizeof(assay_dense) == 64, "assay_dense is frozen");
ASSAY_STATIC_ASSERT(sizeof(assay_sparse) == 72, "assay_sparse is frozen");
ASSAY_STATIC_ASSERT(sizeof(assay_mask) == 24, "assay_mask is frozen");

#ifdef __cplusplus
}
#endif
#endif

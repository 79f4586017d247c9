# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags as interface targets: warnings, sanitizers, numeric code.
add_library(assay_flags INTERFACE)
target_compile_options(assay_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(ASSAY_WERROR)
  target_compile_options(assay_flags INTERFACE -Werror)
endif()
target_link_options(assay_flags INTERFACE -Wl,--as-needed)

if(ASSAY_SANITIZE)
  target_compile_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE}
                                               -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE})
  string(REPLACE "," "_" sanitizer_name "${ASSAY_SANITIZE}")
  string(TOUPPER "ASSAY_SANITIZE_${sanitizer_name}" sanitizer_name)
  target_compile_definitions(assay_flags INTERFACE ${sanitizer_name}=1)
endif()

# Inner loops vectorise with these and keep IEEE results for NaN and infinity; -ffast-math does
# not, and it changes the floating-point mode of the whole process when a library is loaded.
add_library(assay_numeric INTERFACE)
target_compile_options(assay_numeric INTERFACE -fno-math-errno -fno-trapping-math
                                               -ffp-contract=fast)
if(NOT ASSAY_SANITIZE)
  target_compile_options(assay_numeric INTERFACE -O3)
endif()

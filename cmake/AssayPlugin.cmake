# SPDX-License-Identifier: Apache-2.0
# assay_plugin(): one module per plugin, with the rights of a stranger's and no more.
add_custom_target(plugins)

#   assay_plugin(<kind> <id> [SOURCES file...] [LIBRARIES target...] [OUTPUT folder])
#
# builds lib/assay/plugins/<kind>-<id>.so from the listed sources, or from all *.c and *.cpp of the
# folder. LIBRARIES are for a reader's or writer's file format; nothing else is linked. A module
# with an OUTPUT of its own is a test's: not part of `plugins`, not installed.
function(assay_plugin kind id)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "OUTPUT" "SOURCES;LIBRARIES")
  if(NOT arg_SOURCES)
    file(GLOB arg_SOURCES CONFIGURE_DEPENDS *.c *.cpp)
  endif()
  set(target plugin_${kind}_${id})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE assay_flags assay_numeric assay_capi ${arg_LIBRARIES})
  assay_export_only(${target} assay_plugin_main_v1)
  if(NOT ASSAY_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${kind}-${id}
    LIBRARY_OUTPUT_DIRECTORY ${ASSAY_PLUGIN_OUTPUT_DIRECTORY})
  if(arg_OUTPUT)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT})
  else()
    add_dependencies(plugins ${target})
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/assay/plugins)
  endif()
endfunction()

# Export the symbols that match `pattern` from `target` and nothing else.
function(assay_export_only target pattern)
  set(script ${CMAKE_CURRENT_BINARY_DIR}/${target}.map)
  file(CONFIGURE OUTPUT ${script} CONTENT "{ global: ${pattern}; local: *; };\n")
  target_link_options(${target} PRIVATE -Wl,--version-script=${script})
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${script})
endfunction()

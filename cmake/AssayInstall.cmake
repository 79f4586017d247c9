# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where; plugins install themselves in assay_plugin().
if(EXISTS ${PROJECT_SOURCE_DIR}/capi/include)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/capi/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
if(TARGET assay_tool)
  install(TARGETS assay_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where; plugins install themselves in assay_plugin().
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/capi/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS assay_capi EXPORT assayTargets)
if(TARGET assay)
  install(TARGETS assay EXPORT assayTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

set(share ${PROJECT_SOURCE_DIR}/core/cli/share)
if(TARGET assay_tool)
  install(TARGETS assay_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${share}/assay.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${share}/assay.bash RENAME assay
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${share}/_assay DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
install(FILES LICENSE NOTICE README.md OPTIONAL DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/assay)
set(ASSAY_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/assay/plugins)
configure_package_config_file(cmake/assayConfig.cmake.in assayConfig.cmake
                              INSTALL_DESTINATION ${package_dir} PATH_VARS ASSAY_PLUGIN_DIR)
write_basic_package_version_file(assayConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT assayTargets NAMESPACE assay:: DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/assayConfig.cmake ${PROJECT_BINARY_DIR}/assayConfigVersion.cmake
        DESTINATION ${package_dir})

# The pkg-config file finds its prefix from where it lies, so that an installation can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pc_dir}
           OUTPUT_VARIABLE ASSAY_PC_PREFIX)
configure_file(cmake/assay.pc.in assay.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/assay.pc DESTINATION ${pc_dir})

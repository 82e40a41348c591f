# SwiftPM compiles, as it does the program; the link is made here, so that the library has a soname and exports nothing but its
# interface. The Swift runtime is linked in.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

find_program(SWIFT swift REQUIRED)
find_program(SWIFTC swiftc REQUIRED)
set(SWIFTQTL_SCRATCH_PATH
    ${CMAKE_CURRENT_BINARY_DIR}/swift
    CACHE PATH "Where SwiftPM builds")
get_filename_component(package_path ${CMAKE_CURRENT_SOURCE_DIR}/.. ABSOLUTE)
# SwiftPM would take another compiler than Swift's own from CC.
set(swift_build ${CMAKE_COMMAND} -E env --unset=CC --unset=CXX --unset=CFLAGS --unset=CXXFLAGS ${SWIFT} build -c release --package-path ${package_path} --scratch-path ${SWIFTQTL_SCRATCH_PATH})
set(archive ${SWIFTQTL_SCRATCH_PATH}/release/libSwiftQTLC.a)
set(header_path ${package_path}/Sources/CSwiftQTL/include)

# SwiftPM knows what has changed.
add_custom_target(
  compile ALL
  COMMAND ${swift_build} --product SwiftQTLC
  BYPRODUCTS ${archive}
  USES_TERMINAL COMMENT "swift build")

# One object of the archive: Swift's linker arguments hide what comes from archives.
set(object ${CMAKE_CURRENT_BINARY_DIR}/swiftqtl.o)
add_custom_command(
  OUTPUT ${object}
  COMMAND ${CMAKE_LINKER} -r -o ${object} --whole-archive ${archive}
  DEPENDS compile ${archive} VERBATIM)
set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)

set(exports ${CMAKE_CURRENT_SOURCE_DIR}/swiftqtl.map)
set(CMAKE_C_CREATE_SHARED_LIBRARY
    "${SWIFTC} -emit-library -static-stdlib -o <TARGET> <OBJECTS> -Xlinker -soname=<TARGET_SONAME> -Xlinker --version-script=${exports} -Xlinker --gc-sections -Xlinker --strip-debug <LINK_LIBRARIES>")
add_library(swiftqtl SHARED ${object})
set_target_properties(
  swiftqtl PROPERTIES LINKER_LANGUAGE C LINK_DEPENDS ${exports} VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR})
target_include_directories(
  swiftqtl PUBLIC $<BUILD_INTERFACE:${header_path}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(swiftqtl PROPERTIES PUBLIC_HEADER ${header_path}/swiftqtl.h)

set(config_path ${CMAKE_INSTALL_LIBDIR}/cmake/swiftqtl)
install(TARGETS swiftqtl EXPORT swiftqtlTargets COMPONENT library)
install(
  EXPORT swiftqtlTargets
  NAMESPACE swiftqtl::
  FILE swiftqtlConfig.cmake
  DESTINATION ${config_path}
  COMPONENT library)
write_basic_package_version_file(swiftqtlConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(swiftqtl.pc.in swiftqtl.pc @ONLY)
install(
  FILES ${CMAKE_CURRENT_BINARY_DIR}/swiftqtlConfigVersion.cmake
  DESTINATION ${config_path}
  COMPONENT library)
install(
  FILES ${CMAKE_CURRENT_BINARY_DIR}/swiftqtl.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT library)
# What a wheel carries: without links, which wheels cannot hold.
install(
  PROGRAMS $<TARGET_FILE:swiftqtl>
  DESTINATION swiftqtl
  RENAME libswiftqtl.so
  COMPONENT python EXCLUDE_FROM_ALL)

add_test(NAME exports COMMAND ${CMAKE_COMMAND} -D LIBRARY=$<TARGET_FILE:swiftqtl> -D READELF=${CMAKE_READELF}
                              -P ${CMAKE_CURRENT_SOURCE_DIR}/CheckExports.cmake)
add_test(
  NAME client
  COMMAND
    ${CMAKE_COMMAND} -D BUILD=${CMAKE_CURRENT_BINARY_DIR} -D GENERATOR=${CMAKE_GENERATOR}
    -D COMPILER=${CMAKE_C_COMPILER} -P ${CMAKE_CURRENT_SOURCE_DIR}/Client/Check.cmake)
set_tests_properties(client PROPERTIES TIMEOUT 1200)

#[[
Finds OpenBLAS with its C interface (cblas.h).

Target:     OpenBLAS::OpenBLAS
Variables:  OpenBLAS_FOUND, OpenBLAS_VERSION
Cache:      OpenBLAS_INCLUDE_DIR, OpenBLAS_LIBRARY (set them to choose a build by hand)

Debian keeps serial, pthread and OpenMP builds side by side; pkg-config names the one in use.
openblas_config.h is looked for rather than cblas.h, which the reference BLAS ships too.
]]
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_OpenBLAS QUIET openblas)
endif()

find_path(
  OpenBLAS_INCLUDE_DIR openblas_config.h
  HINTS ${PC_OpenBLAS_INCLUDE_DIRS} ${PC_OpenBLAS_INCLUDEDIR}
  PATH_SUFFIXES openblas openblas-pthread openblas-openmp openblas-serial)
find_library(
  OpenBLAS_LIBRARY openblas
  HINTS ${PC_OpenBLAS_LIBRARY_DIRS} ${PC_OpenBLAS_LIBDIR}
  PATH_SUFFIXES openblas openblas-pthread openblas-openmp openblas-serial)

if(OpenBLAS_INCLUDE_DIR)
  file(STRINGS ${OpenBLAS_INCLUDE_DIR}/openblas_config.h OpenBLAS_VERSION
       REGEX "define OPENBLAS_VERSION ")
  string(REGEX REPLACE ".*OpenBLAS ([0-9.]+).*" "\\1" OpenBLAS_VERSION "${OpenBLAS_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  OpenBLAS
  REQUIRED_VARS OpenBLAS_LIBRARY OpenBLAS_INCLUDE_DIR
  VERSION_VAR OpenBLAS_VERSION
  REASON_FAILURE_MESSAGE "on Debian: apt-get install libopenblas-dev")

if(OpenBLAS_FOUND AND NOT TARGET OpenBLAS::OpenBLAS)
  add_library(OpenBLAS::OpenBLAS UNKNOWN IMPORTED)
  set_target_properties(
    OpenBLAS::OpenBLAS PROPERTIES
    IMPORTED_LOCATION "${OpenBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OpenBLAS_INCLUDE_DIR}")
endif()
mark_as_advanced(OpenBLAS_INCLUDE_DIR OpenBLAS_LIBRARY)

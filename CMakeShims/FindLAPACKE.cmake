#[[
Finds LAPACKE, the C interface to LAPACK, which Debian ships apart from OpenBLAS.

Target:     LAPACKE::LAPACKE
Variables:  LAPACKE_FOUND, LAPACKE_VERSION (from pkg-config; the header names none)
Cache:      LAPACKE_INCLUDE_DIR, LAPACKE_LIBRARY

An OpenBLAS built with LAPACKE inside serves where there is no separate library.
]]
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_LAPACKE QUIET lapacke)
endif()

find_path(
  LAPACKE_INCLUDE_DIR lapacke.h
  HINTS ${PC_LAPACKE_INCLUDE_DIRS} ${PC_LAPACKE_INCLUDEDIR}
  PATH_SUFFIXES lapacke openblas)
find_library(
  LAPACKE_LIBRARY
  NAMES lapacke openblas
  HINTS ${PC_LAPACKE_LIBRARY_DIRS} ${PC_LAPACKE_LIBDIR})
set(LAPACKE_VERSION ${PC_LAPACKE_VERSION})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LAPACKE
  REQUIRED_VARS LAPACKE_LIBRARY LAPACKE_INCLUDE_DIR
  VERSION_VAR LAPACKE_VERSION
  REASON_FAILURE_MESSAGE "on Debian: apt-get install liblapacke-dev")

if(LAPACKE_FOUND AND NOT TARGET LAPACKE::LAPACKE)
  add_library(LAPACKE::LAPACKE UNKNOWN IMPORTED)
  set_target_properties(
    LAPACKE::LAPACKE PROPERTIES
    IMPORTED_LOCATION "${LAPACKE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LAPACKE_INCLUDE_DIR}")
endif()
mark_as_advanced(LAPACKE_INCLUDE_DIR LAPACKE_LIBRARY)

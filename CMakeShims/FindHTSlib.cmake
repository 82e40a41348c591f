#[[
Finds htslib (VCF, BCF, BGZF, tabix).

Target:     HTSlib::HTSlib
Variables:  HTSlib_FOUND, HTSlib_VERSION
Cache:      HTSlib_INCLUDE_DIR, HTSlib_LIBRARY
]]
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_HTSlib QUIET htslib)
endif()

find_path(
  HTSlib_INCLUDE_DIR htslib/hts.h
  HINTS ${PC_HTSlib_INCLUDE_DIRS} ${PC_HTSlib_INCLUDEDIR})
find_library(HTSlib_LIBRARY hts HINTS ${PC_HTSlib_LIBRARY_DIRS} ${PC_HTSlib_LIBDIR})

if(HTSlib_INCLUDE_DIR)
  # HTS_VERSION is XYYYZZ for X.Y.Z.
  file(STRINGS ${HTSlib_INCLUDE_DIR}/htslib/hts.h HTSlib_VERSION REGEX "define HTS_VERSION [0-9]")
  string(REGEX MATCH "[0-9]+" HTSlib_VERSION "${HTSlib_VERSION}")
  if(HTSlib_VERSION)
    math(EXPR HTSlib_VERSION_MAJOR "${HTSlib_VERSION} / 100000")
    math(EXPR HTSlib_VERSION_MINOR "${HTSlib_VERSION} / 100 % 1000")
    math(EXPR HTSlib_VERSION_PATCH "${HTSlib_VERSION} % 100")
    set(HTSlib_VERSION ${HTSlib_VERSION_MAJOR}.${HTSlib_VERSION_MINOR}.${HTSlib_VERSION_PATCH})
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  HTSlib
  REQUIRED_VARS HTSlib_LIBRARY HTSlib_INCLUDE_DIR
  VERSION_VAR HTSlib_VERSION
  REASON_FAILURE_MESSAGE "on Debian: apt-get install libhts-dev")

if(HTSlib_FOUND AND NOT TARGET HTSlib::HTSlib)
  add_library(HTSlib::HTSlib UNKNOWN IMPORTED)
  set_target_properties(
    HTSlib::HTSlib PROPERTIES
    IMPORTED_LOCATION "${HTSlib_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${HTSlib_INCLUDE_DIR}")
endif()
mark_as_advanced(HTSlib_INCLUDE_DIR HTSlib_LIBRARY)

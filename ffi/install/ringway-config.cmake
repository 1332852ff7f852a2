# find_package(ringway): `ringway::ringway` is the shared library, `ringway::static` the other one, `ringway::cpp` and `ringway::cpp_static` the headers for C++ with the one or the other.
get_filename_component(_ringway_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET ringway::ringway)
  add_library(ringway::ringway SHARED IMPORTED)
  set_target_properties(ringway::ringway PROPERTIES
    IMPORTED_LOCATION "${_ringway_prefix}/lib/libringway.so.0"
    IMPORTED_SONAME "libringway.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_ringway_prefix}/include")

  add_library(ringway::static STATIC IMPORTED)
  set_target_properties(ringway::static PROPERTIES
    IMPORTED_LOCATION "${_ringway_prefix}/lib/libringway.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_ringway_prefix}/include"
    INTERFACE_LINK_LIBRARIES "util;rt;pthread;m;dl")

  add_library(ringway::cpp INTERFACE IMPORTED)
  set_target_properties(ringway::cpp PROPERTIES
    INTERFACE_COMPILE_FEATURES cxx_std_20
    INTERFACE_LINK_LIBRARIES ringway::ringway)

  add_library(ringway::cpp_static INTERFACE IMPORTED)
  set_target_properties(ringway::cpp_static PROPERTIES
    INTERFACE_COMPILE_FEATURES cxx_std_20
    INTERFACE_LINK_LIBRARIES ringway::static)
endif()

unset(_ringway_prefix)

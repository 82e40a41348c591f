# Installs the library into a folder of its own and builds the client against it; runs it as it is, under address sanitizer and under
# valgrind, and builds it by pkg-config:
#   cmake -D BUILD=path -D GENERATOR=Ninja -D COMPILER=clang -P Check.cmake
cmake_minimum_required(VERSION 3.25)
set(work ${BUILD}/client-check)
file(REMOVE_RECURSE ${work})
set(prefix ${work}/installed)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "ended with ${status}: ${line}")
  endif()
endfunction()

function(build name flags)
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/${name} -G ${GENERATOR}
      -D CMAKE_C_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Release -D CMAKE_PREFIX_PATH=${prefix}
      "-DCMAKE_C_FLAGS=${flags}")
  run(${CMAKE_COMMAND} --build ${work}/${name})
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component library)

build(plain "")
run(${work}/plain/client ${work})

build(address "-fsanitize=address -fno-omit-frame-pointer")
run(${work}/address/client ${work})

find_program(VALGRIND valgrind)
if(VALGRIND)
  # Portable kernels (the client asks for them), and OpenBLAS's for a processor that valgrind knows.
  run(${CMAKE_COMMAND} -E env OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1
      ${VALGRIND} --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect
      ${work}/plain/client ${work})
else()
  message(STATUS "SKIPPED: valgrind is not here")
endif()

find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  file(GLOB folder ${prefix}/lib*/pkgconfig ${prefix}/lib/*/pkgconfig)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${folder} ${PKG_CONFIG} --cflags --libs swiftqtl
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  get_filename_component(library ${folder}/.. ABSOLUTE)
  run(${COMPILER} -std=c17 ${CMAKE_CURRENT_LIST_DIR}/client.c -o ${work}/by-pkg-config ${flags} -lm
      -Wl,-rpath,${library})
  run(${work}/by-pkg-config ${work})
else()
  message(STATUS "SKIPPED: pkg-config is not here")
endif()

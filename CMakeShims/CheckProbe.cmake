# Runs the probe and reads what it printed: cmake -D PROBE=path -P CheckProbe.cmake
cmake_minimum_required(VERSION 3.25)
execute_process(
  COMMAND ${PROBE} RESULT_VARIABLE status OUTPUT_VARIABLE json ERROR_VARIABLE errors)
message(STATUS "${json}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the probe ended with ${status}: ${errors}")
endif()

string(JSON passed GET "${json}" self_check passed)
string(JSON bits GET "${json}" blas integer_bits)
string(JSON htslib GET "${json}" htslib version)
if(NOT passed)
  message(FATAL_ERROR "the self-check failed")
endif()
if(NOT bits MATCHES "^(32|64)$" OR htslib STREQUAL "")
  message(FATAL_ERROR "the probe's report is incomplete")
endif()

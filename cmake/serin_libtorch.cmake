# SPDX-License-Identifier: Apache-2.0
# serin_libtorch: PyTorch's libraries and headers. SERIN_LIBTORCH is the folder that has lib/ and include/.
#   Without a GPU: the libraries of the wheel that need none (tools/setup).
#   SERIN_CUDA: PyTorch's own find_package where it and a CUDA toolkit are installed; else by hand, from what
#   `tools/setup --cuda` unpacked or from -DSERIN_LIBTORCH=…/site-packages/torch of a `pip install torch`.
add_library(serin_libtorch INTERFACE)

# Their configuration ends with a fatal error where it misses a toolkit, so it is asked only beside one.
if(SERIN_CUDA AND NOT SERIN_LIBTORCH)
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_NVCC_EXECUTABLE)
    find_package(Torch QUIET)
  endif()
endif()

if(Torch_FOUND)
  message(STATUS "PyTorch: ${TORCH_INSTALL_PREFIX}, by its own configuration")
  set(SERIN_LIBTORCH ${TORCH_INSTALL_PREFIX})
  set(SERIN_LIBTORCH_RPATH ${TORCH_INSTALL_PREFIX}/lib ${CUDAToolkit_LIBRARY_DIR})
  target_link_libraries(serin_libtorch INTERFACE torch CUDA::cudart)
  return()
endif()

set(serin_libtorch_kind cpu)
set(serin_libtorch_needed torch_cpu c10)
if(SERIN_CUDA)
  set(serin_libtorch_kind cuda)
  list(APPEND serin_libtorch_needed torch_cuda c10_cuda)
endif()
set(SERIN_LIBTORCH ${SERIN_CACHE}/libtorch-2.11.0-${serin_libtorch_kind} CACHE PATH "Folder with PyTorch's lib and include")
foreach(library IN LISTS serin_libtorch_needed)
  set(file ${SERIN_LIBTORCH}/lib/lib${library}.so)
  if(NOT EXISTS ${file})
    set(setup tools/setup)
    if(SERIN_CUDA)
      set(setup "tools/setup --cuda")
    endif()
    message(FATAL_ERROR "No ${file}: run ${setup}, or configure with -DSERIN_TORCH=OFF")
  endif()
  target_link_libraries(serin_libtorch INTERFACE ${file})
endforeach()
# What compiled programs name: it must be there before one is loaded.
target_link_libraries(serin_libtorch INTERFACE ${SERIN_LIBTORCH}/lib/libtorch.so)
target_include_directories(serin_libtorch SYSTEM INTERFACE
  ${SERIN_LIBTORCH}/include ${SERIN_LIBTORCH}/include/torch/csrc/api/include)
target_link_options(serin_libtorch INTERFACE -Wl,-rpath-link,${SERIN_LIBTORCH}/lib)

set(SERIN_LIBTORCH_RPATH ${SERIN_LIBTORCH}/lib)

if(SERIN_CUDA)
  # CUDA's headers and runtime: a toolkit's, those of NVIDIA's wheels beside PyTorch, or what tools/setup unpacked. pip
  # alone brings no crt/, which the others include.
  set(serin_unpacked ${SERIN_CACHE}/libtorch-2.11.0-cuda)
  find_path(SERIN_CUDA_INCLUDE crt/host_defines.h REQUIRED
    HINTS ${CUDAToolkit_INCLUDE_DIRS} ${SERIN_LIBTORCH}/../nvidia/cu13/include ${serin_unpacked}/include
    DOC "Folder with CUDA's headers: run tools/setup --cuda")
  find_library(SERIN_CUDA_RUNTIME NAMES libcudart.so.13 REQUIRED
    HINTS ${SERIN_LIBTORCH}/../nvidia/cu13/lib ${SERIN_LIBTORCH}/lib ${CUDAToolkit_LIBRARY_DIR} ${serin_unpacked}/lib)
  target_include_directories(serin_libtorch SYSTEM INTERFACE ${SERIN_CUDA_INCLUDE})
  target_link_libraries(serin_libtorch INTERFACE ${SERIN_CUDA_RUNTIME})
  cmake_path(GET SERIN_CUDA_RUNTIME PARENT_PATH serin_cuda_folder)
  list(APPEND SERIN_LIBTORCH_RPATH ${serin_cuda_folder})
endif()

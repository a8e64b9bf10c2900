# SPDX-License-Identifier: Apache-2.0
# `cmake --install build/release --prefix DIR`: the program and all that it looks for beside itself. DIR can be moved: what
# stands in lib/serin finds its libraries there. PyTorch's for GPUs are too large to copy and stay where they are.
set(objects serin_av serin_remote_backend)
if(SERIN_TORCH)
  list(APPEND objects serin_torch_backend)
  if(NOT SERIN_CUDA)
    install(DIRECTORY ${SERIN_LIBTORCH}/lib/ DESTINATION lib/serin FILES_MATCHING PATTERN "*.so*")
  endif()
endif()
if(SERIN_TENSORFLOW)
  list(APPEND objects serin_tensorflow_backend)
  install(FILES ${SERIN_LIBTENSORFLOW}/libtensorflow_cc.so.2 ${SERIN_LIBTENSORFLOW}/libtensorflow_framework.so.2
          DESTINATION lib/serin)
endif()
install(TARGETS serin DESTINATION bin)
install(TARGETS ${objects} DESTINATION lib/serin)

# What `serin package import` and `compile` run, and what makes their Python environments.
install(DIRECTORY python/serin_export DESTINATION share/serin/python FILES_MATCHING PATTERN "*.py")
install(PROGRAMS tools/environment DESTINATION share/serin/tools)
install(FILES tools/requirements-tensorflow.txt tools/requirements-torch.txt tools/torch_without_gpu.py
              tools/unpack_wheel.py tools/wheels-torch.txt
        DESTINATION share/serin/tools)

# serin_described(serin.1 share/man/man1 man): what the program says of itself.
function(serin_described file destination)
  set(made ${CMAKE_BINARY_DIR}/described/${file})
  add_custom_command(OUTPUT ${made} COMMAND serin ${ARGN} > ${made} DEPENDS serin VERBATIM)
  set_property(GLOBAL APPEND PROPERTY serin_described ${made})
  install(FILES ${made} DESTINATION ${destination})
endfunction()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/described)
serin_described(serin.1 share/man/man1 man)
serin_described(serin share/bash-completion/completions completion bash)
serin_described(_serin share/zsh/site-functions completion zsh)
serin_described(serin.fish share/fish/vendor_completions.d completion fish)
get_property(described GLOBAL PROPERTY serin_described)
add_custom_target(serin_described ALL DEPENDS ${described})

install(FILES LICENSE DESTINATION share/doc/serin)

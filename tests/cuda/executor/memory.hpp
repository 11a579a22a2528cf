// Device memory on the CPU. Each device has its own range of addresses, in which every copy of the executor has a part.
// An address tells whose memory it is, so a pointer to the host's is found where a kernel is launched. With
// GPT2RUN_EXECUTOR_MEMORY=closed in the environment the memory can be accessed only while a stream of that device works
// (OpenMemory): host code that reads device memory then ends with a segmentation fault, as does a kernel that reads
// memory of another device.
// Under a sanitizer device memory is taken from the heap, where AddressSanitizer sees every access out of bounds, and
// none of this is checked.
#pragma once
#include <cstddef>

namespace gpt2run::executor {

inline constexpr int kHostMemory = -1;

// Fresh memory of a device, 256-byte aligned and filled with NaN. Throws Error if there is no room.
void* take_memory(int device, size_t bytes);
void give_memory(void* memory) noexcept;

// The device whose memory is at this address, also if another copy of the executor has taken it, or kHostMemory. Under
// a sanitizer always kHostMemory.
int device_of(const void* address);

// Throws Error if one of the words in `bytes` bytes at `values` is the address of memory that is not the device's: of
// the host's, except for `stream` itself, or of another device's. what: whose values they are, for the message.
void check_words(const char* what, const void* values, size_t bytes, int device, const void* stream);

// Throws Error unless the address is in memory of the device, or, with kHostMemory, of the host.
void check_address(const char* what, const void* address, int device);

}  // namespace gpt2run::executor

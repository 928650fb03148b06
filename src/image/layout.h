/*
 * layout.h - where the parts and the holes of an image are
 *
 * One pass over the image finds both. Parts end at multiples of the part size of the whole image,
 * not of the last hole's end: what changes in one place of an image leaves the cuts, and so the
 * parts, of others alone.
 */
#pragma once

#include <stdint.h>

#include "base/lang.h"
#include "wire/index.h"

/*
 * Zeros shorter than this stay in their part, where they cost a few bytes: a hole saves the node
 * the memory of the RAM disk, but ends a part, and each part costs a round trip to fetch.
 */
#define LAYOUT_HOLE_MIN (64u << 10)

/*
 * Set x->image_bytes, and in x->parts offset and raw size of each part and hole; what a part is
 * stored as is not known yet. (*ret_holes)[i] is 1 when x->parts[i] is a hole. Logs.
 * @part_bytes: a multiple of INDEX_PART_ALIGN up to INDEX_PART_RAW_MAX. Caller frees *ret_holes,
 * and x as ever.
 */
_must_check_ int layout_make(int image_fd, uint64_t image_bytes, uint32_t part_bytes,
			     struct index *x, uint8_t **ret_holes);

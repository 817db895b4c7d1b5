/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: the parser of requests.  The first byte says how the rest is
 * cut; whatever the cut, the parser must hand out the same commands.
 */
#include "proto/proto.h"

#include <stdlib.h>
#include <string.h>

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over everything that the parser hands out. */
static uint64_t
parse(const uint8_t *p, size_t len, size_t step)
{
	enum kv_resp_what what = KV_RESP_MORE;
	uint64_t sum = 0;
	struct kv_resp r;

	kv_resp_init(&r);
	while (len > 0 && what != KV_RESP_BAD) {
		size_t room, n;
		char *to = kv_resp_room(&r, &room);

		n = step < room ? step : room;
		n = n < len ? n : len;
		memcpy(to, p, n);
		kv_resp_filled(&r, n);
		p += n;
		len -= n;
		while ((what = kv_resp_next(&r)) == KV_RESP_CMD) {
			sum = sum * 31 + r.r_nargs - r.r_first;
			for (size_t i = r.r_first; i < r.r_nargs; i++)
				sum = sum * 31 + kv_hash(r.r_args[i].a_p,
				    r.r_args[i].a_len);
		}
		while (!kv_resp_done(&r))
			continue;
	}
	if (what == KV_RESP_BAD)
		sum = sum * 31 + kv_hash(r.r_error, strlen(r.r_error));
	kv_resp_free(&r);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t before = kv_mem_used();

	if (size < 1)
		return 0;
	if (parse(data + 1, size - 1, SIZE_MAX) !=
	    parse(data + 1, size - 1, 1 + data[0] % 16))
		abort();
	if (kv_mem_used() != before)
		abort();
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests out of a stream of bytes.
 *
 *	for (;;) {
 *		n = recv(fd, kv_resp_room(r, &len), len);
 *		kv_resp_filled(r, n);
 *		while ((what = kv_resp_next(r)) == KV_RESP_CMD)
 *			... r->r_args[r->r_first .. r->r_nargs) ...
 *		kv_resp_done(r);
 *	}
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "kv.h"

enum kv_resp_what { KV_RESP_MORE, KV_RESP_CMD, KV_RESP_BAD };

/* What comes next of an argument. */
enum kv_resp_step { KV_RESP_HEADER, KV_RESP_BODY, KV_RESP_END };

struct kv_resp {
	char		*r_buf;
	size_t		 r_len;		/* bytes in r_buf */
	size_t		 r_cap;
	size_t		 r_pos;		/* first byte not parsed */
	size_t		 r_seen;	/* no line end before this byte */
	int64_t		 r_multi;	/* arguments to come; 0: none yet */
	int64_t		 r_bulk;	/* length, after KV_RESP_HEADER */
	struct kv_blob	*r_blob;	/* a large one, partly here */
	struct kv_arg	*r_args;
	size_t		 r_first;	/* the current command's */
	size_t		 r_nargs;
	size_t		 r_capargs;
	size_t		 r_held;	/* bytes of finished large arguments */
	bool		 r_whole;	/* r_first.. is a finished command */
	enum kv_resp_step r_step;
	char		 r_error[64];	/* with KV_RESP_BAD */
};

void		 kv_resp_init(struct kv_resp *r);
void		 kv_resp_free(struct kv_resp *r);
char		*kv_resp_room(struct kv_resp *r, size_t *lenp);
void		 kv_resp_filled(struct kv_resp *r, size_t n);
enum kv_resp_what kv_resp_next(struct kv_resp *r);
void		 kv_resp_done(struct kv_resp *r);

/* Bytes that wait in memory for the rest of their command. */
static inline size_t
kv_resp_pending(const struct kv_resp *r)
{
	return r->r_len - r->r_pos + r->r_held +
	    (r->r_blob != NULL ? r->r_blob->b_len : 0);
}

#endif

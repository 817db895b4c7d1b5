/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies: RESP2 or RESP3 text in a growing buffer, with large strings in
 * between by reference.
 */
#ifndef KV_REPLY_H
#define KV_REPLY_H

#include "kv.h"

/* A large string that is sent in front of byte x_at of the text. */
struct kv_extern {
	size_t		 x_at;
	struct kv_blob	*x_blob;
};

struct kv_reply {
	char		*r_buf;
	size_t		 r_len;
	size_t		 r_cap;
	struct kv_extern *r_ext;	/* in the order of x_at */
	size_t		 r_next;	/* externs that are done with */
	size_t		 r_count;
	size_t		 r_capext;
	size_t		 r_extlen;	/* bytes of externs not done with */
	size_t		 r_pos;		/* text that is done with */
	size_t		 r_extpos;	/* bytes of extern r_next done with */
	bool		 r_resp3;
};

void	 kv_reply_free(struct kv_reply *r);
void	 kv_reply_reset(struct kv_reply *r);
char	*kv_reply_grow(struct kv_reply *r, size_t n);
void	 kv_reply_move(struct kv_reply *to, struct kv_reply *from,
	    size_t start, size_t end);
size_t	 kv_reply_pending(const struct kv_reply *r);
const char *kv_reply_peek(const struct kv_reply *r, size_t *lenp);
void	 kv_reply_sent(struct kv_reply *r, size_t n);

void	 kv_reply_raw(struct kv_reply *r, const void *p, size_t len);
void	 kv_reply_status(struct kv_reply *r, const char *text);
void	 kv_reply_error(struct kv_reply *r, const char *fmt, ...)
    KV_PRINTFLIKE(2, 3);
void	 kv_reply_int(struct kv_reply *r, int64_t val);
void	 kv_reply_bulk(struct kv_reply *r, const void *p, size_t len);
void	 kv_reply_str(struct kv_reply *r, const char *s);
void	 kv_reply_bulk_int(struct kv_reply *r, int64_t val);
void	 kv_reply_blob(struct kv_reply *r, struct kv_blob *b);
void	 kv_reply_double(struct kv_reply *r, double val);
void	 kv_reply_verbatim(struct kv_reply *r, const char *p, size_t len);
void	 kv_reply_null(struct kv_reply *r);
void	 kv_reply_null_array(struct kv_reply *r);
void	 kv_reply_array(struct kv_reply *r, uint64_t n);
void	 kv_reply_map(struct kv_reply *r, uint64_t pairs);
void	 kv_reply_set(struct kv_reply *r, uint64_t n);

/* Room for n more bytes of text; who writes them moves r_len. */
static inline char *
kv_reply_room(struct kv_reply *r, size_t n)
{
	if (r->r_cap - r->r_len < n)
		return kv_reply_grow(r, n);
	return r->r_buf + r->r_len;
}

#endif

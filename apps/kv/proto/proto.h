/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol: requests parsed from a stream of bytes (resp.c), and replies:
 * RESP2 or RESP3 text, in which large strings are references (reply.c).
 *
 *	for (;;) {
 *		n = recv(fd, kv_resp_room(r, &len), len);
 *		kv_resp_filled(r, n);
 *		while ((what = kv_resp_next(r)) == KV_RESP_CMD)
 *			... r->r_args[r->r_first .. r->r_nargs) ...
 *		while (!kv_resp_done(r))
 *			... let other threads run ...
 *	}
 */
#ifndef KV_PROTO_H
#define KV_PROTO_H

#include "base/kv.h"

enum kv_resp_what { KV_RESP_MORE, KV_RESP_CMD, KV_RESP_BAD };

struct kv_resp {
	char		*r_buf;		/* of the last chunk */
	size_t		 r_len;		/* bytes in r_buf */
	size_t		 r_cap;
	size_t		 r_pos;		/* first byte not parsed */
	struct kv_chunk	*r_aside;	/* full chunks with arguments */
	size_t		 r_asidelen;	/* bytes of r_aside */
	int64_t		 r_multi;	/* arguments to come; 0: none yet */
	int64_t		 r_bulk;	/* the next one's length; -1: unknown */
	struct kv_blob	*r_blob;	/* a large one, partly here */
	struct kv_arg	*r_args;
	size_t		 r_first;	/* the current command's */
	size_t		 r_nargs;
	size_t		 r_capargs;
	size_t		 r_dropped;	/* arguments before r_first, freed */
	size_t		 r_held;	/* bytes of finished large arguments */
	char		 r_error[64];	/* with KV_RESP_BAD */
};

void	 kv_resp_init(struct kv_resp *r);
void	 kv_resp_free(struct kv_resp *r);
char	*kv_resp_room(struct kv_resp *r, size_t *lenp);
void	 kv_resp_filled(struct kv_resp *r, size_t n);
enum kv_resp_what kv_resp_next(struct kv_resp *r);
bool	 kv_resp_done(struct kv_resp *r);
void	 kv_resp_stop(struct kv_resp *r);

/*
 * Return how many bytes of memory an unfinished command takes, once
 * kv_resp_done() is true.
 */
static inline size_t
kv_resp_pending(const struct kv_resp *r)
{
	return r->r_len + r->r_asidelen + r->r_held +
	    r->r_nargs * sizeof(r->r_args[0]) +
	    (r->r_blob != NULL ? r->r_blob->b_len : 0);
}

struct kv_reply {
	struct kv_piece	*r_first, *r_last;
	size_t		 r_pos;		/* bytes of r_first that are sent */
	size_t		 r_pending;	/* bytes of all pieces, not sent */
	size_t		 r_memory;	/* bytes that the pieces take */
	bool		 r_resp3;
};

void	 kv_reply_free(struct kv_reply *r);
bool	 kv_reply_free_some(struct kv_reply *r);
void	 kv_reply_move(struct kv_reply *to, struct kv_reply *from);
const char *kv_reply_peek(const struct kv_reply *r, size_t *lenp);
void	 kv_reply_sent(struct kv_reply *r, size_t n);

/* Return how many bytes are still to be sent. */
static inline size_t
kv_reply_pending(const struct kv_reply *r)
{
	return r->r_pending;
}

/* Append to a reply. */
void	 kv_say_text(struct kv_reply *r, const char *fmt, ...)
    KV_PRINTFLIKE(2, 3);
void	 kv_say_status(struct kv_reply *r, const char *text);
void	 kv_say_error(struct kv_reply *r, const char *fmt, ...)
    KV_PRINTFLIKE(2, 3);
void	 kv_say_line(struct kv_reply *r, char type, int64_t val);
void	 kv_say_bulk(struct kv_reply *r, const void *p, size_t len);
void	 kv_say_number(struct kv_reply *r, int64_t val);
void	 kv_say_blob(struct kv_reply *r, struct kv_blob *b);
void	 kv_say_part(struct kv_reply *r, struct kv_blob *b, size_t off,
	    size_t len);
void	 kv_say_arg(struct kv_reply *r, const struct kv_arg *a);
void	 kv_say_double(struct kv_reply *r, double val);
void	 kv_say_verbatim(struct kv_reply *r, struct kv_reply *text);
void	 kv_say_nil(struct kv_reply *r);
void	 kv_say_many(struct kv_reply *r, char type, int64_t n);

#define kv_say_ok(r)		kv_say_status(r, "OK")
#define kv_say_int(r, val)	kv_say_line(r, ':', val)
#define kv_say_str(r, s)	kv_say_bulk(r, s, strlen(s))

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any system call as a message.  USES blocking.c, syscall_args.c.
 *
 * THEORY
 * The way of the call is decided when the message is prepared.  What does not
 * wait is made when the message is sent, everything else on a carrier: the
 * message is that of a function, which makes the call.  So the rules of
 * lwkt_sysmsg_call() say to whom the arguments belong.
 */
#include <errno.h>
#include <lwkt/syscall.h>

#include "io/io_var.h"
#include "kse/syscall_var.h"

/* bc_fn of a call.  Carrier. */
static intptr_t
call_run(void *arg)
{
	const struct lwkt_callargs *ca = arg;

	return machine_syscall(ca->ca_nr, ca->ca_arg);
}

/* The arguments at whose head the structure of the host lies. */
static struct lwkt_callargs *
args_of(struct hostfn *hf)
{
	return container_of((void *(*)[3])(void *)hf, struct lwkt_callargs,
	    ca_call.bc_reserved);
}

/* hf_fn of a call that does not wait.  The sender, in a critical section. */
static void
call_here(struct hostfn *hf)
{
	struct lwkt_callargs *ca = args_of(hf);

	ca->ca_call.bc_result = call_run(ca);
}

/* hf_fn of a call that is refused.  The same context. */
static void
call_refuse(struct hostfn *hf)
{
	args_of(hf)->ca_call.bc_result = -ENOSYS;
}

/*
 * Prepare a message that makes the system call nr with the arguments of ca.
 * Any context; never blocks.
 */
void
lwkt_sysmsg_syscall(struct lwkt_sysmsg *sm, lwkt_port_t port, long nr,
    struct lwkt_callargs *ca)
{
	struct sysargs sa = { .sa_nr = nr };
	struct hostfn *hf;
	enum sysway way;

	for (int i = 0; i < syscall_nargs(nr); i++)
		sa.sa_arg[i] = ca->ca_arg[i];
	way = syscall_way(&sa);
	ca->ca_nr = nr;
	ca->ca_call.bc_fn = call_run;
	ca->ca_call.bc_arg = ca;
	ca->ca_call.bc_errno = 0;
	lwkt_sysmsg_call(sm, port, &ca->ca_call);
	if (way != SYSWAY_CPU && way != SYSWAY_REFUSED)
		return;
	hf = sm->sm_buf;
	hf->hf_fn = way == SYSWAY_CPU ? call_here : call_refuse;
	sm->sm_flags = SYSMSG_HERE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_boot: run the first thread, and return its value.
 *
 * THEORY
 * kern/ starts the CPUs but cannot allocate stacks.  So the first thread is
 * made here, by the boot hook of CPU 0, which runs in that CPU's idle thread.
 * When main returns, the first thread asks every CPU to stop and never runs
 * again.  The host ends the CPUs, and lwkt_boot returns to its caller.
 */
#include <errno.h>
#include <lwkt/boot.h>
#include <string.h>

#include "base/kassert.h"
#include "kern/boot/boot_var.h"
#include "kern/boot/sysinit.h"
#include "kern/cpu/globaldata.h"

/*
 * The program's main function and its result.  One structure is enough:
 * kern_boot_prepare refuses a second boot at the same time with EBUSY.
 */
static struct {
	int	(*mn_fn)(void *);
	void	*mn_arg;
	int	 mn_result;
	int	 mn_error;
} mn;

/* Call the program's main function, then stop all CPUs. */
static void
main_thread(void *arg)
{
	(void)arg;
	mn.mn_result = mn.mn_fn(mn.mn_arg);
	kern_stop();
	for (;;)		/* never switched to again */
		lwkt_switch();
}

/*
 * Create the first thread: the boot hook of CPU 0.  On other CPUs the hook does
 * nothing.  If the creation fails, store the error and stop all CPUs.
 */
static void
vm_boot_cpu(struct globaldata *gd)
{
	if (gd->gd_m.mc_cpuid != 0)
		return;
	mn.mn_error = lwkt_create(main_thread, NULL, NULL, NULL, 0, 0, "main");
	if (mn.mn_error != 0)
		kern_stop();
}

SYSINIT(SI_STAT + 1, vm_boot, NULL, vm_boot_cpu, NULL, NULL);

/*
 * Boot, and run main_fn(arg) as the first thread.  Returns 0 after the
 * shutdown; *resultp is then main_fn's result (resultp may be NULL).  Returns
 * an error number if the boot failed; *resultp is then unchanged.
 * Context: plain pthread, which blocks until the shutdown.  The result is EBUSY
 * on a CPU, in a child of fork, and while an earlier boot has not shut down.
 */
int
lwkt_boot_result(const struct lwkt_config *cfg, int (*main_fn)(void *),
    void *arg, int *resultp)
{
	int error;

	if (machine_forked()) {
		lwkt_printf("lwkt: a child of fork cannot boot: it has a copy "
		    "of the kernel that runs in its parent");
		return EBUSY;
	}
	if (machine_oncpu() != NULL)
		return EBUSY;
	if ((error = kern_boot_prepare(cfg)) != 0)
		return error;
	mn.mn_fn = main_fn;
	mn.mn_arg = arg;
	mn.mn_result = 0;
	mn.mn_error = 0;
	if ((error = kern_boot_run()) == 0)
		error = mn.mn_error;
	kern_boot_release();
	if (error == 0 && resultp != NULL)
		*resultp = mn.mn_result;
	return error;
}

/*
 * Do the same as lwkt_boot_result.  Returns main_fn's result, or -1 after a
 * line on stderr if the boot failed.  Context: as lwkt_boot_result.
 */
int
lwkt_boot(const struct lwkt_config *cfg, int (*main_fn)(void *), void *arg)
{
	int result = -1;
	int error = lwkt_boot_result(cfg, main_fn, arg, &result);

	if (error != 0) {
		lwkt_printf("lwkt: boot failed: %s", strerror(error));
		return -1;
	}
	return result;
}

/* A chip of 8 lines, one of them with a name, for programs that have libgpiod in them, on a machine without chips.

   With this in LD_PRELOAD and the path of a folder in STAND_IN_GPIO the path FOLDER/gpiochip0, which has to be a link to
   /dev/null, is a chip as the kernel has them (https://docs.kernel.org/userspace-api/gpio/chardev.html). Every level
   that a line gets is a row of FOLDER/levels: nanoseconds of the monotonic clock, the line's number, 0 or 1: what would
   be measured at the pin. A line is requested once at a time, by whatever process. A file FOLDER/broken lets every
   setting fail, as a chip does that was pulled out.

   An input that is requested is the pipe FOLDER/inputN: what is written to it are its edges, as the kernel's
   struct gpio_v2_line_event. FOLDER/inputN.flags says which edges were asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES 8
#define DESCRIPTORS 1024

static const char *NAMES[LINES] = {[5] = "REJECT"};

/* What a descriptor stands for: nothing (0), the chip (1), or a request. */
static struct { int kind; unsigned line; int active_low; } known[DESCRIPTORS];

static const char *path_of(const char *name, char *path) {
    const char *folder = getenv("STAND_IN_GPIO");
    snprintf(path, 4096, "%s/%s", folder ? folder : "/nowhere", name);
    return path;
}

static void tell(unsigned line, int level) {
    char path[4096], row[64];
    struct timespec now;
    int file = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path_of("levels", path), O_WRONLY | O_APPEND | O_CREAT, 0600);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int size = snprintf(row, sizeof row, "%lld %u %d\n", now.tv_sec * 1000000000LL + now.tv_nsec, line, level);
    if (file < 0 || write(file, row, size) != size) abort();
    close(file);
}

int open(const char *name, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    char path[4096];
    int file = real(name, flags, mode);
    if (file >= 0 && file < DESCRIPTORS) known[file].kind = !strcmp(name, path_of("gpiochip0", path));
    return file;
}

char *realpath(const char *name, char *resolved) {
    /* libgpiod asks whether a device belongs to the kernel's gpio: ours is /dev/null, number 1:3. */
    if (getenv("STAND_IN_GPIO") && !strcmp(name, "/sys/dev/char/1:3/subsystem")) return strdup("/sys/bus/gpio");
    char *(*real)(const char *, char *) = dlsym(RTLD_NEXT, "realpath");
    return real(name, resolved);
}

static int fail(int number) { errno = number; return -1; }

static int request_input(struct gpio_v2_line_request *request) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    char path[4096], name[32], row[32];
    unsigned line = request->offsets[0];
    if (request->num_lines != 1 || line >= LINES) return fail(EINVAL);
    snprintf(name, sizeof name, "input%u", line);
    if (mkfifo(path_of(name, path), 0600) && errno != EEXIST) return -1;
    int file = real(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || file >= DESCRIPTORS) return fail(EMFILE);
    if (flock(file, LOCK_EX | LOCK_NB)) { close(file); return fail(EBUSY); }
    known[file].kind = 3;
    snprintf(name, sizeof name, "input%u.flags", line);
    int flags = real(path_of(name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int size = snprintf(row, sizeof row, "%llu\n", (unsigned long long)request->config.flags);
    if (flags < 0 || write(flags, row, size) != size) abort();
    close(flags);
    request->fd = file;
    return 0;
}

static int request_line(struct gpio_v2_line_request *request) {
    char path[4096], name[32];
    unsigned line = request->offsets[0];
    if (request->config.flags & GPIO_V2_LINE_FLAG_INPUT) return request_input(request);
    if (request->num_lines != 1 || line >= LINES || !(request->config.flags & GPIO_V2_LINE_FLAG_OUTPUT)) return fail(EINVAL);
    snprintf(name, sizeof name, "line%u", line);
    int file = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path_of(name, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || file >= DESCRIPTORS) return fail(EMFILE);
    if (flock(file, LOCK_EX | LOCK_NB)) { close(file); return fail(EBUSY); }
    known[file].kind = 2;
    known[file].line = line;
    known[file].active_low = !!(request->config.flags & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
    int value = 0;
    for (unsigned i = 0; i < request->config.num_attrs; i++)
        if (request->config.attrs[i].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES) value = request->config.attrs[i].attr.values & 1;
    tell(line, value ^ known[file].active_low);
    request->fd = file;
    return 0;
}

int ioctl(int file, unsigned long number, ...) {
    unsigned what = number; /* some callers extend its sign */
    va_list rest;
    va_start(rest, number);
    void *given = va_arg(rest, void *);
    va_end(rest);
    int kind = file >= 0 && file < DESCRIPTORS ? known[file].kind : 0;
    if (kind == 1 && what == GPIO_GET_CHIPINFO_IOCTL) {
        struct gpiochip_info *info = given;
        memset(info, 0, sizeof *info);
        strcpy(info->name, "gpiochip0");
        strcpy(info->label, "stand-in");
        info->lines = LINES;
        return 0;
    }
    if (kind == 1 && what == GPIO_V2_GET_LINEINFO_IOCTL) {
        struct gpio_v2_line_info *info = given;
        unsigned line = info->offset;
        if (line >= LINES) return fail(EINVAL);
        memset(info, 0, sizeof *info);
        info->offset = line;
        if (NAMES[line]) strcpy(info->name, NAMES[line]);
        info->flags = GPIO_V2_LINE_FLAG_INPUT;
        return 0;
    }
    if (kind == 1 && what == GPIO_V2_GET_LINE_IOCTL) return request_line(given);
    if (kind == 2 && what == GPIO_V2_LINE_SET_VALUES_IOCTL) {
        char path[4096];
        if (!access(path_of("broken", path), F_OK)) return fail(ENODEV);
        tell(known[file].line, (((struct gpio_v2_line_values *)given)->bits & 1) ^ known[file].active_low);
        return 0;
    }
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(file, number, given);
}

/* A fault that AddressSanitizer has to find, or its silence about the other tests says nothing: a handle that is used when it was freed. */
#include "check.h"

int main(void) {
    ringway_config *config = new_config();
    ringway_config_free(config);
#ifdef UNLOOKED
    ringway_config_set(config, RINGWAY_CAPACITY, 4096); /* nobody looks at the answer: this does not compile */
#endif
    return ringway_config_set(config, RINGWAY_CAPACITY, 4096) == RINGWAY_OK;
}

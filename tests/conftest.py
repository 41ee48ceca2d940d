"""What every test can rely on."""

import hypothesis

# A busy machine is no bug: a test never fails for being slow.
hypothesis.settings.register_profile("gru", deadline=None)
hypothesis.settings.load_profile("gru")

"""The second of three cells found by a search among thousands (Jozefowicz, Zaremba and Sutskever 2015).

    z_t = σ(x_t U_z + s_{t-1} W_z + b_z)              update: how much of the old state stays
    r_t = σ(x_t U_r + s_{t-1} W_r + b_r)              reset: how much of it the candidate depends on
    h_t = tanh(x_t U_h + (r_t ∘ s_{t-1}) W_h + b_h)   candidate
    s_t = (1 - z_t) ∘ h_t + z_t ∘ s_{t-1}

Where the GRU has x_t U_r, the paper's r_t has x_t itself, an input of the size of the state. Here x_t is multiplied by
U_r first, so that it may have any size. That makes the equations those of `gru`, and models of the two are equal to the
bit; the paper's own cell is the one with U_r fixed at the identity. The paper's z is 1 - z here: there 1 takes the
candidate, here it keeps the old state. The columns of each parameter are in the order z, r, h:

    here   shape             Jozefowicz 2015
    U      [input_size, 3H]  -W_xz, none, W_xh
    W      [H, 3H]           -W_hz, W_hr, W_hh
    b      [3H]              -b_z, b_r, b_h

PyTorch, Keras and ONNX have no such cell.
"""

from grucli.model.cells.gru import GRUCell


class MUT2Cell(GRUCell):
    """The specification of `mut2`, in float64: that of `gru`."""


CELL = MUT2Cell()

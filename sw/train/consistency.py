"""The losses of Stable Spike (arXiv 2603.11676) on the features of any spiking backbone.

``features`` are spikes (T, batch, ...), 0 or 1, with surrogate gradients. Their skeleton is the AND
of consecutive steps, computed as a product so that gradients reach both steps. In the paper's
terms::

    S~[t] = S[t] & S[t+1],  t = 1 .. T-1        skeleton
    r~    = mean of S~ over the T - 1 pairs     skeleton rate
    r     = mean of S over the T steps          firing rate
    L_spike = MSE(r~, r), mean over elements
    L_noise = a^2 KL(softmax(O / a) || softmax(O_noise / a)), mean over the batch
    O_noise = classifier(r~ + Bernoulli(r~)),  the noise without gradient
    L = CE + beta L_spike + gamma L_noise

The skeleton rate is the one in ``Result.consistency``; the hardware numbers a pair by its second
step. The classifier is the last layer, taken as a linear map of rates; its noisy input reaches 2
and is not a spike train. The paper does not say where gradients stop, apart from the noise;
``spike_detach`` and ``noise_detach`` choose.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as nnf

__all__ = [
    "NOISE_DETACH", "SPIKE_DETACH", "ConsistencyLoss", "amplitude_noise", "firing_rate",
    "noise_loss", "skeleton", "skeleton_rate", "spike_loss",
]

SPIKE_DETACH = ("none", "skeleton", "rate")
NOISE_DETACH = ("none", "clean", "noisy")

Classifier = Callable[[torch.Tensor], torch.Tensor]


def skeleton(features: torch.Tensor) -> torch.Tensor:
    """Return the skeleton of spikes, ``S[t] & S[t+1]``, as a product.

    Parameters
    ----------
    features : (T, batch, ...) tensor
        Spikes, 0 or 1, of at least two steps.

    Returns
    -------
    (T - 1, batch, ...) tensor

    Raises
    ------
    ValueError
        If there are fewer than two steps, and so no pair.
    """
    if features.ndim < 2 or len(features) < 2:
        raise ValueError(
            "features must be (T, batch, ...) with T of at least 2, since the skeleton is of "
            f"pairs of steps; not {tuple(features.shape)}"
        )
    return features[:-1] * features[1:]


def skeleton_rate(features: torch.Tensor) -> torch.Tensor:
    """Return (batch, ...) means of the skeleton over its T - 1 pairs.

    Parameters
    ----------
    features : (T, batch, ...) tensor
        Spikes, 0 or 1, of at least two steps.

    Raises
    ------
    ValueError
        If there are fewer than two steps.
    """
    return skeleton(features).mean(0)


def firing_rate(features: torch.Tensor) -> torch.Tensor:
    """Return (batch, ...) means of spikes over the T steps.

    Parameters
    ----------
    features : (T, batch, ...) tensor
        Spikes, 0 or 1.
    """
    return features.mean(0)


def spike_loss(features: torch.Tensor, detach: str = "none") -> torch.Tensor:
    """Return the mean squared difference of skeleton rate and firing rate, over all elements.

    Parameters
    ----------
    features : (T, batch, ...) tensor
        Spikes, 0 or 1, of at least two steps.
    detach : {"none", "skeleton", "rate"}
        What gets no gradient. If the skeleton is detached, the rates follow it as a target; if the
        rates are, the skeleton follows them.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or ``detach`` is not as above.
    """
    _one_of("spike_detach", detach, SPIKE_DETACH)
    stable, rate = skeleton_rate(features), firing_rate(features)
    if detach == "skeleton":
        stable = stable.detach()
    elif detach == "rate":
        rate = rate.detach()
    return nnf.mse_loss(stable, rate)


def amplitude_noise(
    rate: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Return noise that is 1 with the probability ``rate`` and else 0, without gradient.

    Parameters
    ----------
    rate : tensor
        Probabilities, 0 to 1.
    generator : torch.Generator, optional
        Source of the random numbers; torch's own by default.

    Raises
    ------
    ValueError
        If a rate is not from 0 to 1 (NaN is not).
    """
    still = rate.detach()
    if not bool(((still >= 0) & (still <= 1)).all()):
        worst = still[~((still >= 0) & (still <= 1))][0]
        raise ValueError(f"rate must be from 0 to 1, not {float(worst)}: give rates of spikes")
    device = still.device if generator is None else generator.device
    return torch.bernoulli(still.to(device), generator=generator).to(still.device)


def noise_loss(
    clean: torch.Tensor, noisy: torch.Tensor, alpha: float = 2.0, detach: str = "none"
) -> torch.Tensor:
    """Return the divergence of the scores with noise from those without, mean over the batch.

    It is ``alpha**2 KL(softmax(clean / alpha) || softmax(noisy / alpha))``.

    Parameters
    ----------
    clean : (batch, classes) tensor
        Scores without noise.
    noisy : (batch, classes) tensor
        Scores with noise.
    alpha : float
        Temperature.
    detach : {"none", "clean", "noisy"}
        The scores that get no gradient.

    Raises
    ------
    ValueError
        If the shapes differ, or an option is not as above.
    """
    _one_of("noise_detach", detach, NOISE_DETACH)
    if clean.ndim != 2 or clean.shape != noisy.shape:
        raise ValueError(
            "clean and noisy must both be (batch, classes), not "
            f"{tuple(clean.shape)} and {tuple(noisy.shape)}"
        )
    if not 0 < alpha < float("inf"):
        raise ValueError(f"alpha must be more than 0, not {alpha!r}")
    if detach == "clean":
        clean = clean.detach()
    elif detach == "noisy":
        noisy = noisy.detach()
    target = nnf.log_softmax(clean / alpha, 1)
    found = nnf.log_softmax(noisy / alpha, 1)
    return alpha**2 * nnf.kl_div(found, target, reduction="batchmean", log_target=True)


class ConsistencyLoss(torch.nn.Module):
    """The losses of Stable Spike on a backbone's features, ``beta L_spike + gamma L_noise``.

    Add it to the cross-entropy.

    Parameters
    ----------
    beta : float
        Weight of ``spike_loss``, at least 0. A loss of weight 0 is not computed.
    gamma : float
        Weight of ``noise_loss``, at least 0.
    alpha : float
        Temperature of ``noise_loss``.
    spike_detach : {"none", "skeleton", "rate"}
        The same as ``detach`` of ``spike_loss``.
    noise_detach : {"none", "clean", "noisy"}
        The same as ``detach`` of ``noise_loss``.

    Raises
    ------
    ValueError
        Naming the argument, the value and what is allowed.
    """

    def __init__(
        self,
        beta: float = 1.0,
        gamma: float = 1.0,
        *,
        alpha: float = 2.0,
        spike_detach: str = "skeleton",
        noise_detach: str = "none",
    ) -> None:
        super().__init__()
        for name, weight in (("beta", beta), ("gamma", gamma)):
            if not 0 <= weight < float("inf"):
                raise ValueError(f"{name} must be at least 0, not {weight!r}")
        if not 0 < alpha < float("inf"):
            raise ValueError(f"alpha must be more than 0, not {alpha!r}")
        _one_of("spike_detach", spike_detach, SPIKE_DETACH)
        _one_of("noise_detach", noise_detach, NOISE_DETACH)
        self.beta, self.gamma, self.alpha = beta, gamma, alpha
        self.spike_detach, self.noise_detach = spike_detach, noise_detach

    def forward(
        self,
        features: torch.Tensor,
        classifier: Classifier,
        clean: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Return the weighted sum of the losses, a scalar.

        Parameters
        ----------
        features : (T, batch, ...) tensor
            Spikes, 0 or 1, with gradients.
        classifier : callable
            A linear map of rates (batch, ...) to scores (batch, classes).
        clean : (batch, classes) tensor, optional
            Scores without noise; ``classifier(firing_rate(features))`` by default.
        generator : torch.Generator, optional
            Source of the noise.

        Raises
        ------
        ValueError
            If there are fewer than two steps and a weight is not 0.
        """
        total = features.new_zeros(())
        if self.beta:
            total = total + self.beta * spike_loss(features, self.spike_detach)
        if self.gamma:
            stable = skeleton_rate(features)
            noisy = classifier(stable + amplitude_noise(stable, generator))
            if clean is None:
                clean = classifier(firing_rate(features))
            total = total + self.gamma * noise_loss(clean, noisy, self.alpha, self.noise_detach)
        return total


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")

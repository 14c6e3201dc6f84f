import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { api, ApiError, signedOut } from "./api/client";
import type { Role, Session } from "./api/types";

const sessionSignal = signal<Session | null>(null);
const errorSignal = signal<ApiError | null>(null);

/** Who looks, and what they may do. Null until the server has said so. */
export const session: ReadonlySignal<Session | null> = sessionSignal;
export const sessionError: ReadonlySignal<ApiError | null> = errorSignal;
export const needsSignIn: ReadonlySignal<boolean> = computed(() => signedOut.value);

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** Whether the user may do what `role` may. The server checks it as well: this only spares a useless click. */
export function may(role: Role): boolean {
  const known = sessionSignal.value;
  if (!known) return false;
  return RANK[known.role] >= RANK[role];
}

/** Why the user may not, as a sentence for a disabled button; undefined where they may. */
export function refusal(role: Role): string | undefined {
  if (may(role)) return undefined;
  return `This needs the role ${role}; you are ${sessionSignal.value?.role ?? "not signed in"}`;
}

export async function loadSession(): Promise<void> {
  try {
    sessionSignal.value = await api.get<Session>("api/session");
    errorSignal.value = null;
    signedOut.value = false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) signedOut.value = true;
    else errorSignal.value = error;
  }
}

export async function signIn(token: string): Promise<void> {
  sessionSignal.value = await api.post<Session>("api/session", { token });
  errorSignal.value = null;
  signedOut.value = false;
}

export async function signOut(): Promise<void> {
  await api.remove("api/session");
  sessionSignal.value = null;
  signedOut.value = true;
}

import { type ComponentChildren, createContext } from "preact";
import { useContext, useId } from "preact/hooks";

interface FieldIds {
  input: string;
  described: string | undefined;
  invalid: boolean;
}

const FieldContext = createContext<FieldIds | null>(null);

interface FieldProps {
  label: ComponentChildren;
  hint?: ComponentChildren;
  error?: string;
  children: ComponentChildren;
}

/** A label, a control (`TextInput`, `TextArea` or `Select` inside) and what is wrong with it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const described = error ? `${id}-error` : hint ? `${id}-hint` : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <FieldContext.Provider value={{ input: id, described, invalid: Boolean(error) }}>
        {children}
      </FieldContext.Provider>
      {error ? (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      ) : (
        hint && (
          <p class="field-hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

function useField() {
  const field = useContext(FieldContext);
  if (!field) return {};
  return { id: field.input, "aria-describedby": field.described, "aria-invalid": field.invalid || undefined };
}

interface InputProps {
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "password" | "number" | "search" | "datetime-local";
  placeholder?: string;
  autofocus?: boolean;
  autocomplete?: "off" | "current-password";
  spellcheck?: boolean;
  required?: boolean;
  disabled?: boolean;
  inputMode?: "numeric" | "decimal";
  min?: number;
  max?: number;
  list?: string;
  /** For a control without a `Field` around it. */
  label?: string;
  class?: string;
}

export function TextInput({ value, onInput, label, type = "text", class: className, ...rest }: InputProps) {
  return (
    <input
      {...useField()}
      {...rest}
      type={type as "text"}
      aria-label={label}
      class={`input ${className ?? ""}`}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

interface AreaProps {
  value: string;
  onInput: (value: string) => void;
  rows?: number;
  placeholder?: string;
  disabled?: boolean;
  label?: string;
  class?: string;
}

export function TextArea({ value, onInput, label, class: className, ...rest }: AreaProps) {
  return (
    <textarea
      {...useField()}
      spellcheck={false}
      {...rest}
      aria-label={label}
      class={`input area ${className ?? ""}`}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

interface SelectProps<T extends string> {
  value: T;
  onChange: (value: T) => void;
  options: readonly { value: T; label: string }[];
  label?: string;
  disabled?: boolean;
}

export function Select<T extends string>({ value, onChange, options, label, disabled }: SelectProps<T>) {
  return (
    <select
      {...useField()}
      class="input select"
      aria-label={label}
      disabled={disabled}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value as T)}
    >
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

interface CheckboxProps {
  checked: boolean;
  onChange: (checked: boolean, event: MouseEvent) => void;
  children?: ComponentChildren;
  /** For a box without text beside it. */
  label?: string;
  mixed?: boolean;
  disabled?: boolean;
}

export function Checkbox({ checked, onChange, children, label, mixed, disabled }: CheckboxProps) {
  return (
    <label class="checkbox">
      <input
        type="checkbox"
        checked={checked}
        indeterminate={mixed}
        aria-label={label}
        disabled={disabled}
        onClick={(event) => onChange(event.currentTarget.checked, event)}
      />
      {children}
    </label>
  );
}

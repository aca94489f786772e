;;; driven.el --- Answer questions of a test, beside the user's keys  -*- lexical-binding: t -*-

;; Each connection to the socket sends one form and gets its value as JSON.

(require 'json)

(defun driven-filter (connection text)
  "Evaluate the form in TEXT, in the buffer that the user sees, and answer on CONNECTION."
  (let ((form (concat (process-get connection 'form) text)))
    (process-put connection 'form form)
    (when (string-suffix-p "\n" form)
      (let ((answer (condition-case problem
                        (with-current-buffer (window-buffer (minibuffer-selected-window))
                          (eval (read form) t))
                      (error (list :error (error-message-string problem))))))
        (process-send-string connection (json-serialize answer :null-object nil))
        (delete-process connection)))))

(defun driven-on (socket)
  "Listen on SOCKET."
  (make-network-process :name "driven" :server t :family 'local :service socket
                        :coding 'utf-8-unix :noquery t :filter #'driven-filter))

(defun driven-lines ()
  "The buffer's lines."
  (vconcat (split-string (buffer-substring-no-properties (point-min) (point-max)) "\n")))

(setq make-backup-files nil
      auto-save-default nil
      create-lockfiles nil
      inhibit-startup-screen t
      ring-bell-function #'ignore
      package-user-dir user-emacs-directory)
(load "lsp-mode-autoloads")
(load "rust-mode-autoloads")
